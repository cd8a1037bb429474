"""The report of `fedface bench chaos`: its figures as JSON, and its tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table
from rich.text import Text

from loadtest.chaos.adversary import FaultKind
from loadtest.chaos.checks import Check
from loadtest.chaos.trial import DisturbedTrial, Trial


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class ChaosOptions(_Frozen):
    """The options of the command."""

    preset: str
    clients: int
    rounds: int
    """Training rounds, after enrolment."""
    kills: int
    seed: int
    """Of the plan and of the adversary."""
    artifacts: Literal["directory", "s3"]


class FaultFigures(_Frozen):
    """A fault that happened."""

    at: str
    """The moment, in ISO 8601."""
    fault: FaultKind
    target: str
    """The service, or the task of the message."""
    place: str
    """The run's round and phase when its progress was last read before the fault."""


class ChaosReport(_Frozen):
    """Both runs, the injected faults and the checks. In JSON `peace` is the fault-free run, `storm` the disturbed one."""

    passed: bool
    """Whether every check passed."""
    options: ChaosOptions
    model_sha256: dict[str, str | None]
    """Of the last model version, by run."""
    seconds: dict[str, float]
    """How long the run took, by run."""
    faults: dict[str, dict[str, int]]
    """Kind of fault → target → how often."""
    kills_by_place: dict[str, int]
    checks: tuple[Check, ...]
    deeds: tuple[FaultFigures, ...]
    """Every fault, in the order in which they happened."""


def make_report(options: ChaosOptions, fault_free: Trial, disturbed: DisturbedTrial, checks: Sequence[Check]) -> ChaosReport:
    """The figures of both runs, with these checks."""
    faults = disturbed.adversary.injected
    kills = [fault for fault in faults if fault.kind is FaultKind.KILL]
    return ChaosReport(
        passed=all(check.passed for check in checks),
        options=options,
        model_sha256={"peace": fault_free.snapshot.run.model_sha256, "storm": disturbed.snapshot.run.model_sha256},
        seconds={"peace": round(fault_free.seconds, 1), "storm": round(disturbed.seconds, 1)},
        faults=disturbed.adversary.counts(),
        kills_by_place=dict(Counter(str(kill.progress) for kill in kills)),
        checks=tuple(checks),
        deeds=tuple(
            FaultFigures(at=fault.at.isoformat(), fault=fault.kind, target=fault.target, place=str(fault.progress))
            for fault in faults
        ),
    )


def show(report: ChaosReport, console: Console) -> None:
    """Print a table of the faults and a table of the checks."""
    seconds = report.seconds
    title = f"seed {report.options.seed}: {seconds['peace']} s without faults, {seconds['storm']} s disturbed"
    faults = Table(title=title)
    for column in ("fault", "how often", "targets"):
        faults.add_column(column)
    for kind, targets in report.faults.items():
        faults.add_row(kind, str(sum(targets.values())), _joined(targets))
    console.print(faults)
    console.print(f"kills by where the run was: {_joined(report.kills_by_place)}\n")
    checks = Table(title="what must hold", show_lines=False)
    for column in ("", "check", "figures"):
        checks.add_column(column)
    for check in report.checks:
        checks.add_row(Text("✓", "green") if check.passed else Text("✗", "red"), check.name, _joined(check.figures))
    console.print(checks)


def _joined(figures: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {figure}" for name, figure in figures.items())
