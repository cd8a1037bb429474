"""The proof as figures and as tables."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from loadtest.chaos.adversary import Fault
from loadtest.chaos.checks import Check
from loadtest.chaos.trial import Trial


def describe(options: argparse.Namespace, calm: Trial, storm: Trial, checks: Sequence[Check]) -> dict[str, Any]:
    """Everything, as JSON has it."""
    assert storm.adversary is not None, "a storm has one"
    deeds = storm.adversary.deeds
    killed = [deed for deed in deeds if deed.fault is Fault.KILL]
    return {
        "passed": all(check.passed for check in checks),
        "options": {name: getattr(options, name) for name in ("preset", "clients", "rounds", "kills", "seed", "artifacts")},
        "model_sha256": {"peace": calm.outcome.run.model_sha256, "storm": storm.outcome.run.model_sha256},
        "seconds": {"peace": round(calm.seconds, 1), "storm": round(storm.seconds, 1)},
        "faults": storm.adversary.counts(),
        "kills_by_place": dict(Counter(str(deed.seen) for deed in killed)),
        "checks": [asdict(check) for check in checks],
        "deeds": [
            {"at": deed.at.isoformat(), "fault": deed.fault.value, "target": deed.target, "place": str(deed.seen)}
            for deed in deeds
        ],
    }


def show(report: dict[str, Any], console: Console) -> None:
    """What befell the run, and what held all the same."""
    seconds, options = report["seconds"], report["options"]
    faults = Table(title=f"seed {options['seed']}: {seconds['peace']} s in peace, {seconds['storm']} s under attack")
    for column in ("fault", "how often", "to whom"):
        faults.add_column(column)
    for fault, targets in report["faults"].items():
        faults.add_row(fault, str(sum(targets.values())), _figures(targets))
    console.print(faults)
    console.print(f"kills by where the run was: {_figures(report['kills_by_place'])}\n", highlight=False)
    checks = Table(title="what must hold", show_lines=False)
    for column in ("", "check", "figures"):
        checks.add_column(column)
    for check in report["checks"]:
        checks.add_row("[green]✓[/]" if check["passed"] else "[red]✗[/]", check["name"], _figures(check["figures"]))
    console.print(checks)


def _figures(figures: dict[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {figure}" for name, figure in figures.items())
