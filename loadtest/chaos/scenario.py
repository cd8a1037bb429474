"""The scenario of `fedface bench chaos`: the fault-free run and the disturbed run of one plan, and all checks of them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from rich.console import Console

from fedface_core.domain.plan import Plan
from fedface_learning.simulation.simulate import simulate
from fedface_stack.stack import LocalStack
from loadtest.chaos.adversary import Adversary, FaultKind
from loadtest.chaos.checks import (
    Check,
    check_fault_kinds,
    check_full_disk,
    check_kills,
    check_no_process_gave_up,
    check_runs,
    check_simulated,
)
from loadtest.chaos.plan import combined_plan, masked_plan, plan_with_dropouts, service_environment, synthetic_plan
from loadtest.chaos.report import ChaosOptions, ChaosReport, make_report
from loadtest.chaos.trial import DisturbedTrial, Trial, run_disturbed, run_fault_free

_PRESETS: Final[Mapping[str, Callable[[int, int, int], Plan]]] = {
    "synthetic": synthetic_plan,
    "combined": combined_plan,
    "masked": masked_plan,
    "dropouts": plan_with_dropouts,
}


def run_scenario(options: ChaosOptions, limit_seconds: float, logs: Path | None, console: Console) -> ChaosReport:
    """Run the plan twice, each time on a new stack in a fresh directory, and check the second run against the first.

    The model is also compared with that of the plan's simulation in one process.

    The logs of both stacks are kept in ``logs``, if it is given. `InvalidInputError` if the options give no plan,
    `ChaosError` if a run does not complete within ``limit_seconds``.
    """
    plan = _PRESETS[options.preset](options.clients, options.rounds, options.seed)
    with tempfile.TemporaryDirectory(prefix="fedface-chaos-") as base, console.status("") as status:

        def new_stack(name: str) -> LocalStack:
            stack_logs = logs / name if logs else None
            environment = service_environment()
            return LocalStack(Path(base) / name, artifacts=options.artifacts, logs=stack_logs, environment=environment)

        def show_status(adversary: Adversary) -> None:
            killed = options.kills - adversary.kills_left()
            status.update(f"disturbed run: {killed} of {options.kills} kills; {adversary.last_progress}")

        status.update("fault-free run")
        fault_free = run_fault_free(new_stack("peace"), plan, limit_seconds)
        status.update("simulation in one process")
        simulated = simulate(plan, evaluate_at=lambda _number: False).model_sha256
        status.update("disturbed run: starting a fresh stack")
        disturbed = run_disturbed(new_stack("storm"), plan, limit_seconds, options.kills, options.seed, show_status)
    return make_report(options, fault_free, disturbed, _all_checks(options, fault_free, disturbed, simulated))


def _all_checks(options: ChaosOptions, fault_free: Trial, disturbed: DisturbedTrial, simulated: str) -> list[Check]:
    faults = disturbed.adversary.injected
    of_the_store = (FaultKind.FREEZE, FaultKind.CUT, FaultKind.FILL)
    kinds = [kind for kind in FaultKind if options.artifacts == "s3" or kind not in of_the_store]
    return [
        check_kills(disturbed.snapshot, faults, options.kills),
        check_fault_kinds(faults, kinds),
        check_full_disk(disturbed.adversary.services.writes_refused),
        check_no_process_gave_up(disturbed.adversary.services.ended),
        check_simulated(disturbed.snapshot, simulated),
        *check_runs(fault_free.snapshot, disturbed.snapshot),
        *disturbed.checks,
    ]
