"""How many clients a second one process trains: one at a time, vectorised, and by the bare loop.

All ways to train are measured in turns, in this process, on one thread, by processor time, which on a busy machine has less
noise than the wall clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
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
from loadtest.bench.repetitions import Repeated, measure_in_turns, ratios
from loadtest.bench.report import BenchmarkReport

ONE_AT_A_TIME: Final = "one at a time"

NETWORKS: Final[dict[str, dict[str, Any]]] = {
    "spherenet-4": REFERENCE_NETWORK,
    "mobilefacenet": {"architecture": "mobilefacenet"},
}
GROWING_NETWORKS: Final[dict[str, dict[str, Any]]] = {
    **{
        f"spherenet-4 ×{factor}": REFERENCE_NETWORK | {"widths": [8 * factor * 2**k for k in range(4)]}
        for factor in (1, 2, 4, 8)
    },
    **{f"spherenet-{depth}": REFERENCE_NETWORK | {"architecture": f"spherenet-{depth}"} for depth in (10, 20, 36)},
}
_IMAGES = 10
_STEPS = 5


class TrainingSpeeds(BaseModel):
    """How fast clients with one network are trained."""

    model_config = ConfigDict(frozen=True)

    model: str
    parameters: int
    multiply_adds: int
    """Of one image in a forward pass."""
    clients_per_second: dict[str, Repeated]
    """Way to train → clients a second of processor time."""

    def ratio(self, way: str, reference: str = BARE_LOOP) -> Repeated:
        """The clients a second of one way divided by those of another, repetition by repetition."""
        return ratios(self.clients_per_second[way].values, self.clients_per_second[reference].values)


class TrainingReport(BenchmarkReport):
    """What `fedface bench training` reports."""

    sizes: tuple[TrainingSpeeds, ...]
    growth: tuple[TrainingSpeeds, ...]
    """Of larger and larger networks, one client at a time; empty if growth was not measured."""
    exponent_of_parameters: float | None
    """Of the power law of a client's time over the number of parameters; None if growth was not measured."""
    exponent_of_multiply_adds: float | None
    """Of the power law of a client's time over the multiply-adds of an image; None if growth was not measured."""


def measure_speeds(
    model: str,
    network_plan: dict[str, Any],
    *,
    clients: int,
    repetitions: int,
    vectorised: Sequence[int] = (),
    bare: bool = True,
) -> TrainingSpeeds:
    """Train ``clients`` clients of 10 images each for 5 steps, each way in turn, after a first time to warm up.

    ``network_plan`` is a plan's part `model`. The ways are the bare loop (if ``bare``), one client at a time, and each
    number of ``vectorised`` clients at once.
    """
    use_deterministic_torch(1)
    plan = Plan.model_validate({"model": network_plan, "local_training": {"steps": _STEPS}})
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
            ways[name] = partial(_train_with_bare_loop, loop, workload)
    for number in (1, *vectorised):
        name = ONE_AT_A_TIME if number == 1 else f"{number} at once"
        way_plan = apply_merge_patch(plan, {"local_training": {"vectorised_clients": number}})
        ways[name] = partial(_train, trainer, trainees, TrainingRound(way_plan, 1))
    for way in ways.values():
        way()
    measures = {name: partial(_clients_per_second, way, clients) for name, way in ways.items()}
    figures = measure_in_turns(measures, repetitions)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return TrainingSpeeds(
        model=model, parameters=parameters, multiply_adds=multiply_adds(network), clients_per_second=figures
    )


def training_milliseconds(plan: Plan, *, images: int, clients: int) -> float:
    """The processor time in which one client after the other trains in round 1 of the plan, each on so many images: the
    median of ``clients``, after one to warm up. Their updates are not encoded.
    """
    use_deterministic_torch(1)
    trainer = LocalTrainer(initial_network(plan.model, plan.seed))
    training = TrainingRound(plan, 1)
    seconds = []
    for trainee in _clients(plan, clients + 1, images):
        start = time.process_time()
        trainer.train(trainee, training)
        seconds.append(time.process_time() - start)
    return 1000 * median(seconds[1:])


def multiply_adds(network: EmbeddingNetwork) -> int:
    """The products of one image in all convolutions and linear layers: half of torch's count of operations."""
    plan = network.plan
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network.eval().features(torch.zeros(1, plan.channels, plan.height, plan.width, dtype=torch.uint8))
    operations: int = counter.get_total_flops()
    return operations // 2


def _clients(plan: Plan, count: int, photographs: int = _IMAGES) -> list[Trainee]:
    """Clients with noise for photographs and for class embeddings: arithmetic takes equally long with any numbers."""
    shape = (photographs, plan.model.channels, plan.model.height, plan.model.width)
    draws = torch.Generator().manual_seed(plan.seed)
    images = [torch.randint(256, shape, dtype=torch.uint8, generator=draws) for _ in range(count)]
    rows_CD = normalize(torch.randn(count, plan.model.embedding_size, generator=draws), dim=1)
    return [Trainee(client_id(index), images[index], rows_CD[index], place=index) for index in range(count)]


def _train_with_bare_loop(loop: BareLoop, workload: Workload) -> None:
    for images_NCHW, row_D in zip(workload.images_CNCHW, workload.class_embeddings_CD, strict=True):
        loop.load(workload.initial)
        loop.train(images_NCHW, row_D)


def _train(trainer: LocalTrainer, trainees: Sequence[Trainee], training: TrainingRound) -> None:
    for _client, _update in training_updates(trainer, trainees, training):
        pass  # each update is encoded and hashed, and then dropped


def _clients_per_second(way: Callable[[], object], clients: int) -> float:
    start = time.process_time()
    way()
    return clients / (time.process_time() - start)
