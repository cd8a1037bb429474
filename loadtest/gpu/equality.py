"""What has to be equal on a GPU, and is checked before anything is timed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from pydantic import BaseModel, ConfigDict

from fedface_core.domain.device_kinds import DeviceKind
from fedface_core.domain.plan import Plan
from fedface_learning.client.local_training import Trainee, TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.client.update import Update, training_updates
from fedface_learning.device import copy_on, prepare_device
from fedface_learning.evaluation.verification import evaluate
from fedface_learning.formats.codec import decode_tensors
from fedface_learning.models import initial_network
from loadtest.gpu.workloads import Noise, Size, plan_for, trainees_of

ROUNDING = 1e-4
"""Between updates of one client by two ways to compute in float32, after five steps."""


class Check(BaseModel):
    """One thing that was checked."""

    model_config = ConfigDict(frozen=True)

    what: str
    holds: bool
    found: str


def check_all(size: Size, device: DeviceKind) -> list[Check]:
    """Every check, on a few clients."""
    clients = min(size.clients, 8)
    at_once = min(size.at_once, 4)
    plan = plan_for(size.network, clients, at_once, device)
    one = plan_for(size.network, clients, 1, device)
    trainees = trainees_of(plan)
    together = _updates(plan, trainees)
    alone = {trainee.client: _updates(plan, [trainee])[trainee.client] for trainee in trainees}
    single = _updates(one, trainees)
    on_cpu = _updates(plan_for(size.network, clients, 1, "cpu"), trainees)
    return [
        _equal("two trainings of a group give equal bytes", together, _updates(plan, trainees)),
        _equal("a client's bytes do not depend on who trains beside it", together, alone),
        _equal("nor on the order of the task", together, _updates(plan, trainees[::-1])),
        _equal("two trainings of single clients give equal bytes", single, _updates(one, trainees)),
        _close("clients at once train as single clients", together, single),
        _close("single clients train as on the CPU", single, on_cpu),
        _evaluation(plan, device),
    ]


def _updates(plan: Plan, trainees: Sequence[Trainee]) -> dict[str, bytes]:
    trainer = LocalTrainer(initial_network(plan.model, 0), prepare_device(plan.compute))
    made = training_updates(trainer, [replace(trainee) for trainee in trainees], TrainingRound(plan, 1))
    return {client: update.data for client, update in made if isinstance(update, Update)}


def _equal(what: str, one: dict[str, bytes], other: dict[str, bytes]) -> Check:
    differing = [client for client in one if one[client] != other.get(client)]
    return Check(what=what, holds=not differing, found=f"{len(differing)} of {len(one)} updates differ")


def _close(what: str, one: dict[str, bytes], other: dict[str, bytes]) -> Check:
    largest = 0.0
    for client, data in one.items():
        tensors, _ = decode_tensors(data)
        others, _ = decode_tensors(other[client])
        largest = max(largest, *(float((tensors[name] - others[name]).abs().max()) for name in tensors))
    return Check(what=what, holds=largest <= ROUNDING, found=f"largest difference {largest:.1e}, {ROUNDING:.0e} allowed")


def _evaluation(plan: Plan, device: DeviceKind) -> Check:
    faces = Noise(plan, 20)
    network = initial_network(plan.model, 0)
    there = copy_on(network, torch.device(device))
    on_cpu, on_device = (evaluate(each, faces, faces.identities, [0.1, 0.01]).scores for each in (network, there))
    pairs: list[Callable[[object], float]] = [lambda scores: scores.auc, lambda scores: scores.eer]  # type: ignore[attr-defined]
    largest = max(abs(figure(on_cpu) - figure(on_device)) for figure in pairs)
    return Check(what="scores are the CPU's", holds=largest <= 1e-3, found=f"AUC and EER differ by {largest:.1e} at most")
