"""The simulated rounds as a table and as a plot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from fedface_core.files.whole_file import whole_file
from loadtest.bench.machine import Machine
from loadtest.bench.report import BenchmarkReport, Column
from loadtest.scale.deployment import Deployment, Workload
from loadtest.scale.scenarios import Outcome
from loadtest.scale.simulated_round import STAGES


class SimulatedFigures(BaseModel):
    """A scenario, and what became of its round."""

    model_config = ConfigDict(frozen=True)

    label: str
    workload: Workload
    deployment: Deployment
    round_seconds: float
    clients_per_second: float
    stages: dict[str, float]
    """Stage → its seconds."""
    wall: str
    calls: dict[str, int]
    """Call of ledger, broker or store → how often it was made."""


class ScaleReport(BenchmarkReport):
    """What `fedface bench scale` reports. It took no time of any server: the machine is the one that simulated."""

    rounds: tuple[SimulatedFigures, ...]


def scale_report(machine: Machine, outcomes: Sequence[Outcome]) -> ScaleReport:
    """The report of these rounds, simulated on ``machine``."""
    return ScaleReport(
        machine=machine,
        rounds=tuple(
            SimulatedFigures(
                label=outcome.scenario.label,
                workload=outcome.scenario.workload,
                deployment=outcome.scenario.deployment,
                round_seconds=outcome.result.opened_next_at,
                clients_per_second=outcome.clients_per_second,
                stages=outcome.result.stages,
                wall=outcome.result.wall,
                calls=dict(outcome.result.calls),
            )
            for outcome in outcomes
        ),
    )


def columns(outcomes: Sequence[Outcome]) -> tuple[Column, ...]:
    """A row for each round: its seconds, those of its stages, and what takes longest."""
    results = [outcome.result for outcome in outcomes]
    stages = (Column(head=stage, cells=tuple(f"{result.stages[stage]:.1f}" for result in results)) for stage in STAGES)
    return (
        Column(head="", cells=tuple(outcome.scenario.label for outcome in outcomes)),
        Column(head="clients", cells=tuple(f"{outcome.scenario.workload.clients:,}" for outcome in outcomes)),
        Column(head="round, s", cells=tuple(f"{result.opened_next_at:,.0f}" for result in results)),
        Column(head="clients/s", cells=tuple(f"{outcome.clients_per_second:,.0f}" for outcome in outcomes)),
        *stages,
        Column(head="longest", cells=tuple(result.wall for result in results)),
    )


def plot(grown: Sequence[Outcome], changed: Sequence[Outcome], file: Path) -> None:
    """Plot a round's time against its clients (left), and the stages of rounds of one size, change by change (right)."""
    from matplotlib import pyplot as plt

    from fedface_lab.study.plots.style import COLOURS, PAGE_INCHES, paper_style  # which takes a backend without a screen

    with paper_style():
        figure, (times, bars) = plt.subplots(
            1, 2, figsize=(PAGE_INCHES, 2.8), layout="constrained", gridspec_kw={"width_ratios": (1, 1.6)}
        )
        for label, colour in zip(dict.fromkeys(each.scenario.label for each in grown), COLOURS, strict=False):
            of_label = [each for each in grown if each.scenario.label == label]
            clients = [each.scenario.workload.clients for each in of_label]
            times.loglog(clients, [each.result.opened_next_at for each in of_label], "o-", color=colour, label=label)
        times.set_xlabel("clients")
        times.set_ylabel("round (s)")
        times.grid(visible=True)
        times.legend()
        lefts = [0.0] * len(changed)
        for stage, colour in zip(STAGES, COLOURS, strict=True):
            widths = [each.result.stages[stage] for each in changed]
            bars.barh(range(len(changed)), widths, left=lefts, color=colour, label=stage)
            lefts = [left + width for left, width in zip(lefts, widths, strict=True)]
        bars.set_yticks(range(len(changed)), [each.scenario.label for each in changed])
        bars.invert_yaxis()
        bars.set_xlabel(f"seconds of a round of {changed[0].scenario.workload.clients:,} clients")
        shown = 1.1 * sorted(lefts)[-3]
        bars.set_xlim(0, shown)
        for row, seconds in enumerate(lefts):
            if seconds > shown:  # the longest two, which spreadout bounds, run out of the picture
                bars.text(0.98 * shown, row, f"{seconds:,.0f}", ha="right", va="center", fontsize=6, color="white")
        bars.grid(axis="x")
        bars.legend(fontsize=6, loc="lower right")
        with whole_file(file) as written:
            figure.savefig(written, format=file.suffix[1:])
        plt.close(figure)
