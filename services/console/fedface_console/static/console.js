// Times in the reader's zone, the clock of a deadline, and the live page: a stream, or questions now and then if it breaks.
"use strict";
(() => {
  const POLL_MS = 5000;
  const forms = {
    minute: new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" }),
    second: new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" }),
  };
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

  function localTimes(root) {
    for (const element of root.querySelectorAll("time[datetime]")) {
      const at = new Date(element.dateTime);
      if (element.dataset.local || Number.isNaN(at.getTime())) continue;
      element.dataset.local = "yes";
      element.title = `${element.textContent} (${zone} is shown)`;
      element.textContent = forms[element.dataset.kind in forms ? element.dataset.kind : "minute"].format(at);
    }
  }

  function span(seconds) {
    const whole = Math.max(0, Math.round(seconds));
    const [hours, minutes, left] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
    const two = (number) => String(number).padStart(2, "0");
    if (hours) return `${hours} h ${two(minutes)} min`;
    return minutes ? `${minutes} min ${two(left)} s` : `${left} s`;
  }

  function startClocks(root) {
    for (const element of root.querySelectorAll("[data-seconds-left]:not([data-ends])")) {
      element.dataset.ends = String(performance.now() + 1000 * Number(element.dataset.secondsLeft));
    }
  }

  function tick() {
    for (const element of document.querySelectorAll("[data-ends]")) {
      const left = (Number(element.dataset.ends) - performance.now()) / 1000;
      element.textContent = left > 0 ? `in ${span(left)}` : `passed ${span(-left)} ago`;
    }
  }

  // The page of a run. Without a stream it asks every few seconds; what went wrong is said in the page.
  function followRun(live) {
    const address = live.dataset.live;
    const unreached = document.getElementById("unreached");
    let timer = 0;
    let done = false;

    async function ask() {
      if (document.hidden) return;
      try {
        const answer = await fetch(`${address}/now`, { headers: { "HX-Request": "true" }, credentials: "same-origin" });
        unreached.hidden = true;
        const text = await answer.text();
        if (answer.ok) htmx.swap(document.body, text, { swapStyle: "none" });
        else document.getElementById("notice").innerHTML = text;
        if ([401, 403, 404].includes(answer.status)) finish();
      } catch {
        unreached.hidden = false;
      }
    }
    function poll() {
      if (!timer && !done) {
        timer = window.setInterval(ask, POLL_MS);
        ask();
      }
    }
    function stopPolling() {
      window.clearInterval(timer);
      timer = 0;
    }
    function finish() {
      done = true;
      stopPolling();
    }
    document.body.addEventListener("htmx:sseOpen", () => {
      stopPolling();
      unreached.hidden = true;
    });
    document.body.addEventListener("htmx:sseError", poll);
    document.body.addEventListener("htmx:sseClose", finish);
    window.addEventListener("pagehide", finish);
  }

  // Buttons that show the same stay as they are, and with them the focus. While a question is open, newer ones wait for its end.
  let waitingButtons = "";
  function keepsButtons(html) {
    const shown = document.querySelector("#actions [data-shows]");
    const next = /data-shows="([^"]*)"/.exec(html);
    if (!shown || !next) return false;
    const same = shown.dataset.shows === next[1];
    const asking = Boolean(document.querySelector("#actions :popover-open"));
    waitingButtons = asking && !same ? html : "";
    return same || asking;
  }
  document.addEventListener(
    "toggle",
    (event) => {
      if (event.newState !== "closed" || !waitingButtons || document.querySelector("#actions :popover-open")) return;
      htmx.swap("#actions", waitingButtons, { swapStyle: "innerHTML" });
      waitingButtons = "";
    },
    true,
  );
  document.addEventListener("htmx:sseBeforeMessage", (event) => {
    if (event.target.id === "actions" && keepsButtons(event.detail.data)) event.preventDefault();
  });
  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    if (event.detail.target.id === "actions" && keepsButtons(event.detail.fragment.firstElementChild.innerHTML)) {
      event.detail.shouldSwap = false;
    }
  });

  // A list of runs is read again now and then, unless somebody is choosing from it.
  function refreshList(list) {
    const every = 1000 * Number(list.dataset.refresh);
    window.setInterval(async () => {
      if (document.hidden || list.contains(document.activeElement) || document.querySelector("#runs :checked")) return;
      try {
        const answer = await fetch(window.location.href, { credentials: "same-origin" });
        document.getElementById("unreached").hidden = true;
        if (!answer.ok || answer.redirected) return;
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const next = page.querySelector("#runs tbody");
        const shown = list.querySelector("tbody");
        if (!next) return;
        for (const cell of next.querySelectorAll("td.line")) {
          const old = document.getElementById(cell.id);
          if (old && old.querySelector("svg")) cell.replaceWith(old.cloneNode(true));
        }
        shown.replaceWith(next);
        localTimes(list);
        htmx.trigger("#sparklines", "again");
      } catch {
        document.getElementById("unreached").hidden = false;
      }
    }, every);
  }

  // A command is copied; where the browser allows that to no script, it is selected, to be copied by hand.
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const text = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(text.textContent);
      button.textContent = "Copied";
    } catch {
      window.getSelection().selectAllChildren(text);
      button.textContent = "Selected";
    }
    window.setTimeout(() => (button.textContent = "Copy"), 3000);
  });

  // A form is sent once, however often its button is pressed.
  document.addEventListener("submit", (event) => {
    if (event.target.method !== "post") return;
    if (event.target.dataset.sent) event.preventDefault();
    event.target.dataset.sent = "yes";
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });

  // What is shown once can be copied, where the browser lets pages do that.
  function offerCopies() {
    if (!navigator.clipboard) return;
    for (const button of document.querySelectorAll("button[data-copies]")) {
      const field = document.getElementById(button.dataset.copies);
      const said = document.getElementById(`${field.id}-copied`);
      button.hidden = false;
      button.addEventListener("click", async () => {
        field.select();
        try {
          await navigator.clipboard.writeText(field.value);
          said.textContent = "It is copied.";
        } catch {
          said.textContent = "The browser does not copy it: press Ctrl+C.";
        }
      });
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    offerCopies();
    localTimes(document);
    startClocks(document);
    window.setInterval(tick, 1000);
    const live = document.querySelector("[data-live]");
    if (live) followRun(live);
    const list = document.querySelector("#runs[data-refresh]");
    if (list) refreshList(list);
    document.body.addEventListener("htmx:afterSwap", () => {
      localTimes(document);
      startClocks(document);
    });
    document.body.addEventListener("htmx:sseMessage", () => {
      localTimes(document);
      startClocks(document);
      tick();
    });
    document.body.addEventListener("htmx:oobAfterSwap", () => {
      localTimes(document);
      startClocks(document);
      tick();
    });
  });
})();
