"""Seconds of FedFace and of bare loops on one device, in turns."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from pydantic import BaseModel, ConfigDict
from torch.nn.functional import normalize

from fedface_core.domain.device_kinds import CPU, DeviceKind, Precision
from fedface_core.domain.plan import Plan
from fedface_learning.client.local_training import TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.client.update import trained_groups
from fedface_learning.device import in_precision, prepare_device, set_up
from fedface_learning.models import initial_network
from fedface_learning.pretraining import CosFaceHead, CosFaceTraining, PretrainPlan
from fedface_learning.simulation.simulate import simulate
from fedface_learning.training_images import read_all_images
from fedface_learning.updates.trained import TrainedUpdate
from loadtest.bare.loop import BareLoop
from loadtest.bare.workload import Workload
from loadtest.bench.plan_workload import workload_of
from loadtest.bench.repetitions import Repeated, measure_in_turns, ratios
from loadtest.gpu.goals import PRETRAINING, SIMULATED_ROUND, TRAINING, TRAINING_TF32, WIDE_TRAINING, Goal
from loadtest.gpu.peak_memory import peak_memory
from loadtest.gpu.time_budget import TimeBudget
from loadtest.gpu.workloads import IMAGES, Noise, Size, plan_for, trainees_of

REFERENCE = "the reference round"
WIDE = "a wide network"


class Speed(BaseModel):
    """How long something takes in FedFace and by another way on that device."""

    model_config = ConfigDict(frozen=True)

    what: str
    seconds: Repeated
    beside: str = "bare loop"
    """What it is compared with."""
    beside_seconds: Repeated
    goal: Goal | None = None
    """The goal for their ratio; None if there is none."""
    peak_bytes: int | None = None
    """The most memory of the GPU that FedFace took; None if it was not measured."""

    @property
    def ratio(self) -> Repeated:
        """How many times as fast it is, repetition by repetition."""
        return ratios(self.beside_seconds.values, self.seconds.values)


def measure_all(size: Size, device: DeviceKind, repetitions: int, budget: TimeBudget) -> list[Speed]:
    """Every goal's figures that are measured in this process, as far as the time goes."""
    speeds: list[Speed] = []
    goals: dict[Precision, Goal] = {"float32": TRAINING} if device == CPU else {"float32": TRAINING, "tf32": TRAINING_TF32}
    for precision, goal in goals.items():
        plan = plan_for(size.network, size.clients, size.at_once, device, precision)
        what = f"{REFERENCE}, {size.at_once} clients at once, {precision}"
        with budget.part(what):
            speeds.append(_training(what, plan, repetitions, goal))
    wide = plan_for(size.wide, size.wide_clients, size.wide_at_once, device)
    what = f"{WIDE}, {size.wide_at_once} clients at once, float32"
    with budget.part(what):
        speeds.append(_training(what, wide, repetitions, WIDE_TRAINING))
    what = "a simulated round"
    with budget.part(what):
        speeds.append(_round(what, plan_for(size.network, size.clients, size.at_once, device), repetitions))
    for network in size.pretrained:
        plan = plan_for(network, 2, 1, device)
        what = f"{plan.model.architecture}, pre-training, {size.pretrain_steps} steps of {size.batch}, bfloat16"
        with budget.part(what):
            goal_or_none = PRETRAINING if network is size.pretrained[0] else None
            speeds.append(_pretraining(what, plan, size, repetitions, goal_or_none))
    return speeds


def _training(what: str, plan: Plan, repetitions: int, goal: Goal) -> Speed:
    device = prepare_device(plan.compute)
    trainer = LocalTrainer(initial_network(plan.model, plan.seed), device)
    trainees = trainees_of(plan)

    def train() -> None:
        for group in trained_groups(trainer, trainees, TrainingRound(plan, 1)):
            for made in group.values():
                assert isinstance(made, TrainedUpdate), made
                _ = made.tensors  # on the CPU, not encoded

    return _speed(what, train, partial(_bare_clients, *_bare(plan)), repetitions, goal)


def _round(what: str, plan: Plan, repetitions: int) -> Speed:
    measures = {"ours": simulated_round(plan), "bare": bare_round(plan)}
    for measure in measures.values():
        measure()  # to warm up
    found = measure_in_turns(measures, repetitions)
    return Speed(what=what, seconds=found["ours"], beside_seconds=found["bare"], goal=SIMULATED_ROUND)


def simulated_round(plan: Plan) -> Callable[[], float]:
    """A function that simulates a run of two rounds, and returns the seconds of the second. The first sets up the device."""
    faces = Noise(plan, plan.split.identities)
    two_rounds = plan.model_copy(update={"rounds": 2})

    def run() -> float:
        ended: list[float] = []
        simulate(
            two_rounds, lambda _round: ended.append(time.perf_counter()), dataset=faces, evaluate_at=lambda _number: False
        )
        return ended[2] - ended[1]

    return run


def bare_round(plan: Plan) -> Callable[[], float]:
    """A function that has the bare loop train the plan's clients on the plan's device, and returns its seconds."""
    return partial(_seconds, partial(_bare_clients, *_bare(plan)))


def _bare(plan: Plan) -> tuple[BareLoop, Workload]:
    trainees = trainees_of(plan)
    images_CNCHW = torch.stack([trainee.images_NCHW for trainee in trainees])
    rows_CD = torch.stack([trainee.class_embedding_D for trainee in trainees])
    workload = workload_of(plan, images_CNCHW, rows_CD, initial_network(plan.model, plan.seed))
    device = torch.device(plan.compute.device)
    loop = BareLoop(workload.network, workload.local, channels_last=False, device=device)
    # From the device's memory, as ours: else the loop would copy the model there for each client.
    there = {name: tensor.to(device) for name, tensor in workload.initial.items()}
    return loop, replace(workload, initial=there)


def _bare_clients(loop: BareLoop, workload: Workload) -> None:
    for images_NCHW, row_D in zip(workload.images_CNCHW, workload.class_embeddings_CD, strict=True):
        loop.load(workload.initial)
        loop.train(images_NCHW, row_D)


def _pretraining(what: str, plan: Plan, size: Size, repetitions: int, goal: Goal | None) -> Speed:
    kind = plan.compute.device
    people = -(-size.batch // IMAGES)
    faces = Noise(plan, people)
    settings = PretrainPlan(batch_size=size.batch, epochs=1000, device=kind, precision="bfloat16")
    device = set_up(kind, "bfloat16")
    with peak_memory(kind) as peak:  # before the bare loop takes any
        training = CosFaceTraining(initial_network(plan.model, 0), read_all_images(faces, faces.identities), settings)

        def ours() -> None:
            for _ in range(size.pretrain_steps):
                training.take_step()

        ours()
    network = initial_network(plan.model, 0).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    head = CosFaceHead(people, plan.model.embedding_size, settings).to(device)
    parameters = [*network.parameters(), *head.parameters()]
    optimiser = torch.optim.SGD(parameters, lr=0.01, momentum=0.9, fused=True)
    images_NCHW = torch.cat([faces.images(person) for person in faces.identities])[: size.batch].to(device)
    labels_N = (torch.arange(size.batch) // IMAGES).to(device)
    network.train()

    def bare() -> None:
        for _ in range(size.pretrain_steps):
            optimiser.zero_grad()
            with in_precision(device, "bfloat16"):
                embeddings_ND = normalize(network.features_of_pixels(network.pixels(images_NCHW)))
            loss, _ = head(embeddings_ND.float(), labels_N)
            torch.autograd.backward(loss)
            optimiser.step()

    return _speed(what, ours, bare, repetitions, goal, peak.bytes)


def _speed(
    what: str,
    ours: Callable[[], None],
    bare: Callable[[], None],
    repetitions: int,
    goal: Goal | None,
    peak_bytes: int | None = None,
) -> Speed:
    measures = {"ours": partial(_seconds, ours), "bare": partial(_seconds, bare)}
    for measure in measures.values():
        measure()  # to warm up
    found = measure_in_turns(measures, repetitions)
    gc.collect()
    return Speed(what=what, seconds=found["ours"], beside_seconds=found["bare"], goal=goal, peak_bytes=peak_bytes)


def _seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start
