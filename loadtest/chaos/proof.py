"""What the scenario showed, as figures and as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table

from loadtest.chaos.adversary import Fault
from loadtest.chaos.checks import Check
from loadtest.chaos.trial import Trial


class _Figures(BaseModel):
    model_config = ConfigDict(frozen=True)


class ProofOptions(_Figures):
    """What was asked for."""

    preset: str
    clients: int
    rounds: int
    """Training rounds, after enrolment."""
    kills: int
    seed: int
    """Of the plan and of the adversary."""
    artifacts: Literal["directory", "s3"]


class DeedFigures(_Figures):
    """A fault that happened."""

    at: str
    """The moment, in ISO 8601."""
    fault: Fault
    target: str
    """The service, or the task of the message."""
    place: str
    """Where the run was last seen before."""


class Proof(_Figures):
    """Both runs, what befell the second, and what held all the same."""

    passed: bool
    """Whether every check did."""
    options: ProofOptions
    model_sha256: dict[str, str | None]
    """Of the last model version, in peace and in the storm."""
    seconds: dict[str, float]
    """How long the run took, in peace and in the storm."""
    faults: dict[str, dict[str, int]]
    """Fault → target → how often."""
    kills_by_place: dict[str, int]
    checks: tuple[Check, ...]
    deeds: tuple[DeedFigures, ...]


class Failure(_Figures):
    """Why nothing could be shown."""

    passed: Literal[False] = False
    error: str


def proof_of(options: ProofOptions, calm: Trial, storm: Trial, checks: Sequence[Check]) -> Proof:
    """The figures of both runs, with the checks of the second."""
    assert storm.adversary is not None, "a storm has one"
    deeds = storm.adversary.deeds
    killed = [deed for deed in deeds if deed.fault is Fault.KILL]
    return Proof(
        passed=all(check.passed for check in checks),
        options=options,
        model_sha256={"peace": calm.outcome.run.model_sha256, "storm": storm.outcome.run.model_sha256},
        seconds={"peace": round(calm.seconds, 1), "storm": round(storm.seconds, 1)},
        faults=storm.adversary.counts(),
        kills_by_place=dict(Counter(str(deed.seen) for deed in killed)),
        checks=tuple(checks),
        deeds=tuple(
            DeedFigures(at=deed.at.isoformat(), fault=deed.fault, target=deed.target, place=str(deed.seen)) for deed in deeds
        ),
    )


def show(proof: Proof, console: Console) -> None:
    """What befell the run, and what held all the same."""
    seconds = proof.seconds
    faults = Table(title=f"seed {proof.options.seed}: {seconds['peace']} s in peace, {seconds['storm']} s under attack")
    for column in ("fault", "how often", "to whom"):
        faults.add_column(column)
    for fault, targets in proof.faults.items():
        faults.add_row(fault, str(sum(targets.values())), _figures(targets))
    console.print(faults)
    console.print(f"kills by where the run was: {_figures(proof.kills_by_place)}\n", highlight=False)
    checks = Table(title="what must hold", show_lines=False)
    for column in ("", "check", "figures"):
        checks.add_column(column)
    for check in proof.checks:
        checks.add_row("[green]✓[/]" if check.passed else "[red]✗[/]", check.name, _figures(check.figures))
    console.print(checks)


def _figures(figures: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {figure}" for name, figure in figures.items())
