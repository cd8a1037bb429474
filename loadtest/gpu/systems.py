"""A round through queue and store, and one of pfl-research, on one device: each in processes of its own."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from fedface_core.domain.device_kinds import DeviceKind
from loadtest.bare.workload import write_workload
from loadtest.bench.plan_workload import enrolled_workload
from loadtest.bench.repetitions import Repeated, measure_in_turns
from loadtest.gpu.speeds import Speed, bare_round, simulated_round
from loadtest.gpu.workloads import Size, plan_for
from loadtest.peers.agreement import check_agreement
from loadtest.peers.environments import installed_environment
from loadtest.peers.measure import Repetition, measure
from loadtest.peers.systems import SYSTEMS

_OURS: Final = SYSTEMS["ours"]
_PFL: Final = SYSTEMS["pfl-1"]
_LIMIT_SECONDS: Final = 200.0
"""For a system with all its rounds: it is started once, so that the command takes minutes."""
_NOT_INSTALLED: Final = (
    f"{_PFL.label} is not installed; `fedface bench peers --size tiny --systems {_PFL.name}` makes its environment, which "
    "needs a network"
)


@dataclass(frozen=True)
class SystemSpeeds:
    """What was measured, and why the rest was not."""

    speeds: tuple[Speed, ...]
    left_out: tuple[str, ...]


def measure_systems(size: Size, device: DeviceKind, repetitions: int, environments: Path) -> SystemSpeeds:
    """So many rounds of each system that count, after one to warm up, on equal photographs and from one model.

    ``environments`` is the folder of the peers' environments. `RunnerFailedError` if a system does not finish its rounds,
    and `ModelsDisagreeError` if the systems did not do the same work.
    """
    plan = plan_for(size.network, size.clients, size.at_once, device)
    with tempfile.TemporaryDirectory(prefix="gpu-") as directory:
        folder = Path(directory)
        file = folder / "workload.safetensors"
        write_workload(enrolled_workload(plan), file)
        ours = measure(_OURS, None, file, repetitions, folder, _LIMIT_SECONDS)
        pfl = _pfl_research(device, file, repetitions, folder, environments)
    measures = {"simulated": simulated_round(plan), "bare": bare_round(plan)}
    for each in measures.values():
        each()  # to warm up
    here = measure_in_turns(measures, repetitions)
    through_the_store = Speed(
        what=f"a round of {size.clients} clients through queue and store",
        seconds=Repeated(values=ours.round_seconds),
        beside_seconds=here["bare"],
        goal=8.0,
    )
    if pfl is None:
        return SystemSpeeds((through_the_store,), (_NOT_INSTALLED,))
    check_agreement(pfl.first_model, ours.first_model, _PFL.label, _OURS.label)
    beside_pfl = Speed(
        what=f"a simulated round of {size.clients} clients",
        seconds=here["simulated"],
        beside=_PFL.label,
        beside_seconds=Repeated(values=pfl.round_seconds),
        goal=10.0,
    )
    return SystemSpeeds((through_the_store, beside_pfl), ())


def _pfl_research(device: DeviceKind, workload: Path, rounds: int, folder: Path, environments: Path) -> Repetition | None:
    """Rounds of pfl-research, in its environment or in this one; None if it is in neither."""
    python = installed_environment("pfl", environments)
    if python is None and find_spec("pfl") is None:
        return None
    system = replace(_PFL, variables={"PFL_PYTORCH_DEVICE": device})
    return measure(system, python, workload, rounds, folder, _LIMIT_SECONDS)
