// Draws charts with uPlot from the console's JSON. Lines differ by colour and by dashes; colours come from the style sheet.
"use strict";
(() => {
  const DASHES = [[], [7, 4], [2, 3], [10, 3, 2, 3], [4, 2], [12, 4], [1, 4], [8, 2, 2, 2], [3, 6], [6, 6]];
  const HEIGHT = 220;
  const drawn = [];

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function written(unit, value) {
    if (value === null || value === undefined) return "–";
    if (unit === "share") return `${(100 * value).toFixed(2)} %`;
    if (unit === "bytes") {
      const units = ["B", "kB", "MB", "GB", "TB"];
      const place = value > 0 ? Math.min(units.length - 1, Math.floor(Math.log10(value) / 3)) : 0;
      return `${(value / 1000 ** place).toFixed(place ? 1 : 0)} ${units[place]}`;
    }
    return Number.isInteger(value) ? String(value) : value.toPrecision(4);
  }
  function short(unit, value) {
    if (unit === "share") return `${+(100 * value).toFixed(2)} %`;
    if (unit === "bytes") return written(unit, value);
    return String(+value.toPrecision(4));
  }

  function axis(unit) {
    return {
      stroke: colour("--quiet"),
      grid: { stroke: colour("--edge"), width: 1 },
      ticks: { stroke: colour("--edge"), width: 1 },
      font: "12px system-ui, sans-serif",
      values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : short(unit, tick))),
    };
  }

  // A line that stays at one value lies in the middle of a narrow range.
  function range(_, low, high) {
    if (low === null || high === null) return [0, 1];
    const room = high > low ? 0.08 * (high - low) : Math.max(0.05 * Math.abs(high), 0.05);
    return [low - room, high + room];
  }

  function draw(place, options) {
    place.replaceChildren();
    const plot = new uPlot(
      {
        width: Math.max(200, place.clientWidth),
        height: HEIGHT,
        cursor: { drag: { x: true, y: false } },
        ...options.settings,
        scales: { y: { range }, ...options.settings.scales },
        axes: [{ ...axis("number"), ...options.x }, { ...axis(options.unit), size: 66 }],
        series: [
          options.first,
          ...options.lines.map(({ label, look }, number) => ({
            label,
            stroke: colour(`--data-${(number % 10) + 1}`),
            dash: DASHES[number % DASHES.length],
            width: 2,
            spanGaps: true,
            points: { show: options.data[0].length < 60 },
            value: (_, value) => written(options.unit, value),
            ...look,
          })),
        ],
      },
      options.data,
      place,
    );
    return plot;
  }

  function keep(place, make) {
    const entry = drawn.find((one) => one.place === place);
    if (entry) entry.plot.destroy();
    const plot = make();
    if (entry) Object.assign(entry, { plot, make });
    else drawn.push({ place, plot, make });
    new Set(place.querySelectorAll("table")).forEach((table) => table.setAttribute("role", "presentation"));
  }

  async function json(address) {
    const answer = await fetch(address, { credentials: "same-origin", headers: { "HX-Request": "true" } });
    if (answer.ok) return answer.json();
    document.getElementById("notice").innerHTML = await answer.text();
    return null;
  }

  async function drawCurves(box) {
    const curves = await json(box.dataset.curves);
    if (!curves) return;
    for (const chart of curves.charts) {
      const place = box.querySelector(`[data-chart="${chart.id}"]`);
      if (!place) continue;
      keep(place, () =>
        draw(place, {
          unit: chart.unit,
          lines: chart.lines,
          data: [curves.rounds, ...chart.lines.map((line) => line.values)],
          settings: { scales: { x: { time: false } } },
          first: { label: "round", value: (_, round) => round ?? "–" },
          x: { incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000] },
        }),
      );
      place.dataset.drawn = "yes";
    }
  }

  function drawChosen() {
    const chosen = document.getElementById("roc-round");
    const beside = document.getElementById("roc-beside");
    const numbers = [...new Set([chosen.value, beside.value].filter(Boolean))];
    const of = (what) => numbers.map((number) => ({ number, address: `${chosen.dataset.rounds}${number}/${what}.json` }));
    drawRoc(of("roc"));
    drawCosines(of("cosines"));
  }

  async function drawRoc(rounds) {
    const place = document.getElementById("roc");
    const asked = (place.asked = {});
    const curves = [];
    for (const { number, address } of rounds) {
      const roc = await json(address);
      if (roc) curves.push({ number, roc });
    }
    if (!curves.length || place.asked !== asked) return;
    const tables = curves.map(({ roc }) => {
      const kept = roc.far.map((far, place) => [far, roc.tar[place]]).filter(([far]) => far > 0);
      return [kept.map(([far]) => far), kept.map(([, tar]) => tar)];
    });
    keep(place, () =>
      draw(place, {
        unit: "share",
        lines: curves.map(({ number }) => ({ label: `round ${number}` })),
        data: uPlot.join(tables),
        settings: { height: 320, scales: { x: { time: false, distr: 3 }, y: { range: [0, 1.02] } } },
        first: { label: "FAR", value: (_, value) => (value === null ? "–" : value.toExponential(1)) },
        x: { values: (_, ticks) => ticks.map((tick) => (tick === null || !Number.isInteger(Math.log10(tick)) ? "" : `1e${Math.round(Math.log10(tick))}`)) },
      }),
    );
    place.dataset.drawn = "yes";
  }

  // Upright lines at the thresholds, each with the name of its false accept rate; those that lie close are not on one height.
  // A name has a ground of its own, so that no line goes through it.
  function thresholdLines(thresholds) {
    return (plot) => {
      const context = plot.ctx;
      const { left, top, width, height } = plot.bbox;
      const scale = window.devicePixelRatio;
      context.save();
      context.strokeStyle = colour("--text");
      context.lineWidth = scale;
      context.setLineDash([2 * scale, 3 * scale]);
      context.font = `${11 * scale}px system-ui, sans-serif`;
      context.textBaseline = "top";
      context.textAlign = "left";
      const shown = thresholds
        .map(({ far, cosine }) => ({ name: `FAR ${far}`, x: plot.valToPos(cosine, "x", true) }))
        .filter(({ x }) => x >= left && x <= left + width);
      for (const { x } of shown) {
        context.beginPath();
        context.moveTo(x, top);
        context.lineTo(x, top + height);
        context.stroke();
      }
      shown.forEach(({ name, x }, place) => {
        const long = context.measureText(name).width;
        const start = x + long + 6 * scale > left + width ? x - long - 4 * scale : x + 4 * scale;
        const above = top + (2 + 15 * (place % 4)) * scale;
        context.fillStyle = colour("--card");
        context.fillRect(start - 2 * scale, above - scale, long + 4 * scale, 14 * scale);
        context.fillStyle = colour("--text");
        context.fillText(name, start, above);
      });
      context.restore();
    };
  }

  // The first round is filled, the one beside it is dashed. Kinds of pairs differ by colour, and by where they lie.
  async function drawCosines(rounds) {
    const place = document.getElementById("cosines");
    const asked = (place.asked = {}); // whoever chooses faster than the console answers sees what was chosen last
    const found = [];
    for (const { number, address } of rounds) {
      const histograms = await json(address);
      if (histograms && histograms.cosines.length) found.push({ number, histograms });
    }
    if (place.asked !== asked) return;
    document.getElementById("no-cosines").hidden = found.length > 0;
    place.hidden = found.length === 0;
    if (!found.length) return;
    const tables = found.map(({ histograms }) => [
      [...histograms.cosines, 1],
      [...histograms.genuine, 0],
      [...histograms.impostor, 0],
    ]);
    const [cosines, ...densities] = uPlot.join(tables);
    const used = cosines.filter((_, bin) => densities.some((density) => density[bin] > 0));
    const lines = () => found.flatMap(({ number }, beside) =>
      ["genuine", "impostor"].map((kind, pairs) => {
        const stroke = colour(`--data-${pairs + 1}`);
        return {
          label: `${kind}, round ${number}`,
          look: {
            stroke,
            dash: beside ? [5, 4] : [],
            width: beside ? 1.5 : 2,
            fill: beside ? undefined : `${stroke}40`,
            paths: uPlot.paths.stepped({ align: 1 }),
            points: { show: false },
          },
        };
      }),
    );
    keep(place, () =>
      draw(place, {
        unit: "number",
        lines: lines(),
        data: [cosines, ...densities],
        settings: {
          height: 320,
          scales: { x: { time: false, range: [used[0] - 0.03, used[used.length - 1] + 0.04] }, y: { range: (_, low, high) => [0, 1.25 * (high || 1)] } },
          hooks: { draw: [thresholdLines(found[0].histograms.thresholds)] },
        },
        first: { label: "cosine", value: (_, value) => (value === null || value === undefined ? "–" : value.toFixed(2)) },
        x: {},
      }),
    );
    place.dataset.drawn = "yes";
  }

  function drawAgain() {
    for (const entry of drawn) {
      entry.plot.destroy();
      entry.plot = entry.make();
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    for (const box of document.querySelectorAll("[data-curves]")) {
      drawCurves(box);
      if (box.dataset.refresh) {
        window.setInterval(() => document.hidden || drawCurves(box), 1000 * Number(box.dataset.refresh));
      }
    }
    if (document.getElementById("roc")) {
      drawChosen();
      for (const name of ["roc-round", "roc-beside"]) document.getElementById(name).addEventListener("change", drawChosen);
    } else if (document.getElementById("cosines")) {
      const { cosines, round } = document.getElementById("cosines").dataset;
      drawCosines([{ number: round, address: cosines }]);
    }
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAgain);
    let waiting = 0;
    window.addEventListener("resize", () => {
      window.clearTimeout(waiting);
      waiting = window.setTimeout(drawAgain, 150);
    });
  });
})();
