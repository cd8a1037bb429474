"""How many clients a second one process trains, faithfully and vectorised, beside the bare loop; and growth with the model.

All are measured by turns, in this process, on one thread, by processor time: on a busy machine that is less noise than the
wall clock's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import torch
from pydantic import BaseModel, ConfigDict
from torch.nn.functional import normalize
from torch.utils.flop_counter import FlopCounterMode

from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.merge_patch import apply_merge_patch
from fedface_learning.client.local_training import Trainee, TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.client.update import training_updates
from fedface_learning.models import EmbeddingNetwork, initial_network
from fedface_learning.seeding import use_deterministic_torch
from loadtest.bare import BARE_LOOP, BARE_LOOP_CHANNELS_LAST
from loadtest.bare.loop import BareLoop
from loadtest.bare.workload import Workload
from loadtest.bench.plan_workload import workload_of
from loadtest.bench.reference_workload import REFERENCE_NETWORK
from loadtest.bench.repetitions import Repeated, by_turns, ratios
from loadtest.bench.report import Report

ONE_AT_A_TIME: Final = "one at a time"

SIZES: Final[dict[str, dict[str, Any]]] = {
    "spherenet-4": REFERENCE_NETWORK,
    "mobilefacenet": {"architecture": "mobilefacenet"},
}
GROWTH: Final[dict[str, dict[str, Any]]] = {
    **{
        f"spherenet-4 ×{factor}": REFERENCE_NETWORK | {"widths": [8 * factor * 2**k for k in range(4)]}
        for factor in (1, 2, 4, 8)
    },
    **{f"spherenet-{depth}": REFERENCE_NETWORK | {"architecture": f"spherenet-{depth}"} for depth in (10, 20, 36)},
}
_IMAGES, _STEPS = 10, 5


class Speeds(BaseModel):
    """Clients a second of processor time, by way of training them."""

    model_config = ConfigDict(frozen=True)

    model: str
    parameters: int
    multiply_adds: int
    """Of one image's way through the network."""
    clients_per_second: dict[str, Repeated]

    def ratio(self, way: str, reference: str = BARE_LOOP) -> Repeated:
        """Of two ways, repetition by repetition."""
        return ratios(self.clients_per_second[way].values, self.clients_per_second[reference].values)


class TrainingReport(Report):
    """What `fedface bench training` writes."""

    sizes: tuple[Speeds, ...]
    growth: tuple[Speeds, ...]
    """Of larger and larger models, one client at a time; empty where it was not asked for."""
    exponent_of_parameters: float | None
    exponent_of_multiply_adds: float | None


def measure_speeds(
    model: str, shape: dict[str, Any], *, clients: int, repetitions: int, together: Sequence[int] = (), bare: bool = True
) -> Speeds:
    """Train ``clients`` of 10 images each, 5 steps, with each way in turn; vectorised with each number of ``together``."""
    use_deterministic_torch(1)
    plan = Plan.model_validate({"model": shape, "local_training": {"steps": _STEPS}})
    network = initial_network(plan.model, plan.seed)
    trainees = _clients(plan, clients)
    trainer = LocalTrainer(network)
    ways: dict[str, Callable[[], object]] = {}
    if bare:
        images_CNCHW = torch.stack([trainee.images_NCHW for trainee in trainees])
        rows_CD = torch.stack([trainee.class_embedding_D for trainee in trainees])
        workload = workload_of(plan, images_CNCHW, rows_CD, network)
        for name, channels_last in ((BARE_LOOP, False), (BARE_LOOP_CHANNELS_LAST, True)):
            loop = BareLoop(workload.network, workload.local, channels_last=channels_last)
            ways[name] = partial(_train_barely, loop, workload)
    for number in (1, *together):
        name = ONE_AT_A_TIME if number == 1 else f"{number} at once"
        vectorised = apply_merge_patch(plan, {"local_training": {"vectorised_clients": number}})
        ways[name] = partial(_train, trainer, trainees, TrainingRound(vectorised, 1))
    for way in ways.values():
        way()
    measures = {name: partial(_clients_per_second, way, clients) for name, way in ways.items()}
    figures = by_turns(measures, repetitions)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Speeds(model=model, parameters=parameters, multiply_adds=multiply_adds(network), clients_per_second=figures)


def multiply_adds(network: EmbeddingNetwork) -> int:
    """The products of one image's way through all convolutions and linear layers: half of torch's count of operations."""
    plan = network.plan
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network.eval().features(torch.zeros(1, plan.channels, plan.height, plan.width, dtype=torch.uint8))
    operations: int = counter.get_total_flops()
    return operations // 2


def _clients(plan: Plan, count: int) -> list[Trainee]:
    """Noise for photographs, and class embeddings: arithmetic takes as long whatever the numbers are."""
    shape = (_IMAGES, plan.model.channels, plan.model.height, plan.model.width)
    draws = torch.Generator().manual_seed(plan.seed)
    images = [torch.randint(256, shape, dtype=torch.uint8, generator=draws) for _ in range(count)]
    rows_CD = normalize(torch.randn(count, plan.model.embedding_size, generator=draws), dim=1)
    return [Trainee(client_id(index), images[index], rows_CD[index]) for index in range(count)]


def _train_barely(loop: BareLoop, workload: Workload) -> None:
    for images_NCHW, row_D in zip(workload.images_CNCHW, workload.class_embeddings_CD, strict=True):
        loop.load(workload.initial)
        loop.train(images_NCHW, row_D)


def _train(trainer: LocalTrainer, trainees: Sequence[Trainee], training: TrainingRound) -> None:
    for _client, _update in training_updates(trainer, trainees, training):
        pass  # an update takes its turn as bytes, and goes


def _clients_per_second(way: Callable[[], object], clients: int) -> float:
    start = time.process_time()
    way()
    return clients / (time.process_time() - start)
