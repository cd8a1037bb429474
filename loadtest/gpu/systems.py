"""A round through queue and store, with single and combined delivery, and one of pfl-research, on one device.

Each system has processes of its own.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from fedface_core.domain.device_kinds import DeviceKind
from fedface_core.domain.plan import Plan
from loadtest.bare.workload import write_workload
from loadtest.bench.plan_workload import enrolled_workload
from loadtest.bench.repetitions import Repeated, measure_in_turns
from loadtest.gpu.goals import BESIDE_PFL, STORE_ROUND
from loadtest.gpu.speeds import Speed, bare_round, simulated_round
from loadtest.gpu.time_budget import TimeBudget
from loadtest.gpu.workloads import Size, plan_for
from loadtest.peers.agreement import check_agreement
from loadtest.peers.environments import installed_environment
from loadtest.peers.measure import Repetition, measure
from loadtest.peers.systems import SYSTEMS

_OURS: Final = replace(SYSTEMS["ours"], label="FedFace, directory store")  # on a GPU one client worker trains
_PFL: Final = SYSTEMS["pfl-1"]
_COMBINED: Final = replace(SYSTEMS["ours-combined"], label="FedFace, directory store, combined delivery")
_LIMIT_SECONDS: Final = 3600.0
"""For a system with all its rounds: more than the time of all measurements, which ends it before."""
_NOT_INSTALLED: Final = (
    f"{_PFL.label} is not installed; `fedface bench peers --size tiny --systems {_PFL.name}` makes its environment, which "
    "needs a network"
)


def measure_systems(size: Size, device: DeviceKind, repetitions: int, environments: Path, budget: TimeBudget) -> list[Speed]:
    """So many rounds of each system that count, after one to warm up, on equal photographs and from one model.

    ``environments`` is the folder of the peers' environments. What is not measured is told by the budget, with the reason.
    `RunnerFailedError` if a system does not finish its rounds, and `ModelsDisagreeError` if the systems did not do the same
    work.
    """
    plan = plan_for(size.network, size.clients, size.at_once, device)
    speeds: list[Speed] = []
    here: dict[str, Repeated] = {}
    singly: Repetition | None = None
    with tempfile.TemporaryDirectory(prefix="gpu-") as directory:
        folder = Path(directory)
        file = folder / "workload.safetensors"
        what = f"a round of {size.clients} clients through queue and store"
        with budget.part(what):
            write_workload(enrolled_workload(plan), file)
            here = _rounds_here(plan, repetitions)
            singly = measure(_OURS, None, file, repetitions, folder, _LIMIT_SECONDS)
            seconds = Repeated(values=singly.round_seconds)
            speeds.append(Speed(what=what, seconds=seconds, beside_seconds=here["bare"], goal=STORE_ROUND))
        if singly is None:
            budget.left_out += [f"{_COMBINED.label}, without a round to compare with", f"{_PFL.label}, likewise"]
            return speeds
        what = f"{what}, combined delivery"
        with budget.part(what):
            combined_rounds = measure(_COMBINED, None, file, repetitions, folder, _LIMIT_SECONDS)
            check_agreement(combined_rounds.first_model, singly.first_model, _COMBINED.label, _OURS.label)
            seconds = Repeated(values=combined_rounds.round_seconds)
            beside_seconds = Repeated(values=singly.round_seconds)
            speeds.append(Speed(what=what, seconds=seconds, beside="single delivery", beside_seconds=beside_seconds))
        what = f"a simulated round of {size.clients} clients beside {_PFL.label}"
        with budget.part(what):
            pfl = _pfl_research(device, file, repetitions, folder, environments)
            if pfl is None:
                budget.left_out.append(_NOT_INSTALLED)
                return speeds
            check_agreement(pfl.first_model, singly.first_model, _PFL.label, _OURS.label)
            beside_seconds = Repeated(values=pfl.round_seconds)
            speeds.append(
                Speed(
                    what=f"a simulated round of {size.clients} clients",
                    seconds=here["simulated"],
                    beside=_PFL.label,
                    beside_seconds=beside_seconds,
                    goal=BESIDE_PFL,
                )
            )
    return speeds


def _rounds_here(plan: Plan, repetitions: int) -> dict[str, Repeated]:
    """Seconds of a simulated round and of the bare loop, in turns in this process."""
    measures = {"simulated": simulated_round(plan), "bare": bare_round(plan)}
    for each in measures.values():
        each()  # to warm up
    return measure_in_turns(measures, repetitions)


def _pfl_research(device: DeviceKind, workload: Path, rounds: int, folder: Path, environments: Path) -> Repetition | None:
    """Rounds of pfl-research, in its environment or in this one; None if it is in neither."""
    python = installed_environment("pfl", environments)
    if python is None and find_spec("pfl") is None:
        return None
    system = replace(_PFL, variables={"PFL_PYTORCH_DEVICE": device})
    return measure(system, python, workload, rounds, folder, _LIMIT_SECONDS)
