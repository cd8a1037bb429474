"""The two runs of one plan, in peace and under the adversary, and all that is checked of them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from rich.console import Console

from fedface_core.domain.plan import Plan
from fedface_stack.stack import LocalStack
from loadtest.chaos import plan as plans
from loadtest.chaos.adversary import Adversary, Fault
from loadtest.chaos.checks import Check, all_kills_inside, compare, every_fault, nobody_gave_up
from loadtest.chaos.proof import Proof, ProofOptions, proof_of
from loadtest.chaos.trial import Trial, run_in_a_storm, run_in_peace

_PRESETS: Final[Mapping[str, Callable[[int, int, int], Plan]]] = {"synthetic": plans.synthetic}


def prove(options: ProofOptions, limit_seconds: float, logs: Path | None, console: Console) -> Proof:
    """Run the plan twice, each on a stack of its own in a fresh directory, and check the second run against the first.

    ``logs`` keeps the logs of both stacks. `InvalidInputError` if the options give no plan, `ChaosError` if a run does not
    complete within ``limit_seconds``.
    """
    plan = _PRESETS[options.preset](options.clients, options.rounds, options.seed)
    with tempfile.TemporaryDirectory(prefix="fedface-chaos-") as base, console.status("") as status:

        def stack(name: str) -> LocalStack:
            own_logs = logs / name if logs else None
            environment = plans.impatient()
            return LocalStack(Path(base) / name, artifacts=options.artifacts, logs=own_logs, environment=environment)

        def tell(adversary: Adversary) -> None:
            status.update(
                f"under attack: {options.kills - adversary.kills_left()} of {options.kills} kills; {adversary.seen}"
            )

        status.update("in peace")
        calm = run_in_peace(stack("peace"), plan, limit_seconds)
        status.update("under attack: starting a fresh stack")
        storm = run_in_a_storm(stack("storm"), plan, limit_seconds, options.kills, options.seed, tell)
    return proof_of(options, calm, storm, _checks(options, calm, storm))


def _checks(options: ProofOptions, calm: Trial, storm: Trial) -> list[Check]:
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
