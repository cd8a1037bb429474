"""Kill everything, again and again, and show that the run comes out the same.

    python -m loadtest.chaos --preset synthetic --clients 24 --rounds 6 --kills 40 --seed 1 --json chaos.json

Runs a plan on a local stack in peace, then once more on a fresh one while a seeded adversary kills services and servers,
duplicates and delays messages, and takes the store away. Exit status 1 where any check fails.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console

from fedface_core.domain.errors import FedFaceError
from fedface_stack.signals import exit_on_termination
from fedface_stack.stack import LocalStack
from loadtest.chaos import plan as plans
from loadtest.chaos.adversary import Adversary, Fault
from loadtest.chaos.checks import Check, all_kills_inside, compare, every_fault, nobody_gave_up
from loadtest.chaos.report import describe, show
from loadtest.chaos.trial import Trial, run_in_a_storm, run_in_peace

_PRESETS = {"synthetic": plans.synthetic}


def main() -> int:
    """Parse the command line, run twice, compare, report."""
    parser = _parser()
    options = parser.parse_args()
    if options.kills < 0:
        parser.error(f"--kills {options.kills}: give 0 or more")
    if options.json is not None and not options.json.parent.is_dir():  # found out now, not after minutes of chaos
        parser.error(f"--json {options.json}: there is no directory {options.json.parent}")
    exit_on_termination()
    console = Console()
    try:
        report = _prove(options, console)
    except FedFaceError as error:
        console.print(f"[red]{error}[/red]", highlight=False)
        report = {"passed": False, "error": str(error)}
    else:
        show(report, console)
    if options.json is not None:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0 if report["passed"] else 1


def _prove(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    plan = _PRESETS[options.preset](options.clients, options.rounds, options.seed)
    with tempfile.TemporaryDirectory(prefix="fedface-chaos-") as base, console.status("") as status:

        def stack(name: str) -> LocalStack:
            logs = options.logs / name if options.logs else None
            environment = plans.impatient()
            return LocalStack(Path(base) / name, artifacts=options.artifacts, logs=logs, environment=environment)

        def tell(adversary: Adversary) -> None:
            status.update(
                f"under attack: {options.kills - adversary.kills_left()} of {options.kills} kills; {adversary.seen}"
            )

        status.update("in peace")
        calm = run_in_peace(stack("peace"), plan, options.limit_seconds)
        status.update("under attack: starting a fresh stack")
        storm = run_in_a_storm(stack("storm"), plan, options.limit_seconds, options.kills, options.seed, tell)
    return describe(options, calm, storm, _checks(options, calm, storm))


def _checks(options: argparse.Namespace, calm: Trial, storm: Trial) -> list[Check]:
    assert storm.adversary is not None, "a storm has one"
    deeds = storm.adversary.deeds
    faults = [fault for fault in Fault if options.artifacts == "s3" or fault not in (Fault.FREEZE, Fault.CUT)]
    return [
        all_kills_inside(storm.outcome, deeds, options.kills),
        every_fault(deeds, faults),
        nobody_gave_up(storm.adversary.services.ended),
        *compare(calm.outcome, storm.outcome),
        *storm.checks,
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m loadtest.chaos", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--preset", choices=sorted(_PRESETS), default="synthetic", help="which plan")
    parser.add_argument("--clients", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=6, help="after enrolment")
    parser.add_argument("--kills", type=int, default=40, help="exactly so many, all inside the run")
    parser.add_argument("--seed", type=int, default=0, help="of the plan and of the adversary")
    parser.add_argument("--artifacts", choices=("directory", "s3"), default="s3")
    parser.add_argument("--limit-seconds", type=float, default=1200.0, help="give up on either run after this long")
    parser.add_argument("--logs", type=Path, help="keep the logs of both stacks there")
    parser.add_argument("--json", type=Path, help="write the report there, too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
