"""Training steps do not wait for a GPU: the processor sends it one step after another. Scores wait once for each block.

Shown without a GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_learning import pretraining
from fedface_learning.client.local_training import Trainee, TrainingRound, train_clients
from fedface_learning.client.trainer import LocalTrainer, SingleNetwork
from fedface_learning.client.vectorised_training import VectorisedNetworks
from fedface_learning.data import CachedDataset, FaceDataset
from fedface_learning.evaluation.compare import PAIRS_PER_BLOCK, pair_scores
from fedface_learning.evaluation.faces import EmbeddedFaces
from fedface_learning.evaluation.search import search
from fedface_learning.evaluation.templates import TemplateRows, pool_templates
from fedface_learning.models import build_network, embedding, initial_network
from fedface_learning.objectives.class_sums import ClassSums
from fedface_learning.pretraining import CosFaceTraining, PretrainPlan
from fedface_learning.strategies import STRATEGIES
from fedface_learning.strategies.fedfr import SHARED_EMBEDDINGS, SHARED_IMAGES, SHARED_LABELS
from fedface_learning.strategies.fedfv import EQUIVALENT
from fedface_learning.strategies.public_negatives import PUBLIC
from fedface_learning.strategies.public_steps import public_class_embeddings
from fedface_learning.training_images import LabelledImages
from support.host_waits import GPU, HostWaits
from support.server_rounds import server_round


@pytest.fixture(autouse=True)
def no_gpu_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What only CUDA has: pinned memory, streams, events, and a fused optimiser."""
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    event = SimpleNamespace(record=lambda: None, synchronize=lambda: None)
    monkeypatch.setattr(torch.cuda, "Event", lambda: event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: event)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (0, 0))
    monkeypatch.setattr(pretraining, "set_up", lambda _kind, _precision: GPU)
    monkeypatch.setattr(torch.optim, "SGD", lambda *arguments, fused, **options: sgd(*arguments, **options))
    monkeypatch.setattr(VectorisedNetworks, "fused", False)


sgd = torch.optim.SGD


def images(count: int) -> Tensor:
    return torch.zeros(count, 1, 32, 32, dtype=torch.uint8)


@pytest.mark.parametrize("at_once", [1, 3])
@pytest.mark.parametrize("strategy", [*sorted(STRATEGIES), {"name": "gaussian-negatives", "anchor": 5.0}], ids=str)
def test_local_training_waits_as_often_for_many_steps_as_for_two(
    tiny_plan: Callable[..., Plan], strategy: Any, at_once: int
) -> None:
    """Twice it may wait at all: for the losses, and for what is uploaded."""
    noted = [waits_of(tiny_plan, strategy, at_once, steps) for steps in (2, 5)]
    assert noted[0] == noted[1]


def waits_of(tiny_plan: Callable[..., Plan], strategy: Any, at_once: int, steps: int) -> list[str]:
    local = {"steps": steps, "vectorised_clients": at_once, "batch_size": 4, "flip": True, "shift": 2}
    plan = tiny_plan(
        strategy=strategy,
        data={"images_per_client": 6},
        split={"public": 4, "clients": 8, "test": 8},
        local_training=local,
    )
    size = plan.model.embedding_size
    guidance = {
        PUBLIC: torch.zeros(5, size),
        EQUIVALENT: torch.zeros(4, size),
        SHARED_IMAGES: images(10),
        SHARED_LABELS: torch.arange(10) // 2,
        SHARED_EMBEDDINGS: torch.zeros(10, size),
        **ClassSums.part_of(torch.eye(size)[0]).tensors(),
    }
    with GPU:
        network = build_network(plan.model)
    trainer = LocalTrainer(network, GPU)
    with GPU:
        anchor = build_network(plan.model) if plan.anchor else None
    training = TrainingRound(plan, 1, guidance, anchor=anchor)
    trainees = [Trainee(client_id(index), images(6).to(GPU), torch.zeros(size), place=index) for index in range(at_once)]
    waits = HostWaits()
    with waits:
        networks: Any = (
            SingleNetwork(trainer, trainees[0], training)
            if at_once == 1
            else VectorisedNetworks(trainer, trainees, training)
        )
        assert len(train_clients(networks, trainees, training)) == at_once
    return waits.noted


@pytest.mark.parametrize("strategy", ["gaussian-negatives", "public-negatives"])
@pytest.mark.parametrize("batch", [10, None])
@pytest.mark.parametrize("kept", [0, 1, 100])
def test_an_aggregator_that_computes_there_waits_as_often_for_many_steps_as_for_one(
    tiny_plan: Callable[..., Plan],
    tiny_faces: FaceDataset,
    strategy: str,
    batch: int | None,
    kept: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whether the photographs of no person, of one or of all are there already."""
    of_one = tiny_faces.images(tiny_faces.identities[0])
    faces = CachedDataset(tiny_faces, kept * of_one.nbytes, GPU)
    monkeypatch.setattr(embedding, "refuse_overflow", lambda _features_ND: None)  # it waits, and goes by the values
    noted = []
    for steps in (1, 4):
        own: dict[str, Any] = {"name": strategy, "public_steps": steps, "public_batch": batch}
        plan = tiny_plan(strategy=own, split={"public": 4, "clients": 8, "test": 2})
        size = plan.model.embedding_size
        network = initial_network(plan.model, 0)
        state = {PUBLIC: torch.zeros(4, size), **ClassSums.part_of(torch.eye(size)[0]).tensors()}
        before = replace(server_round(plan, network, torch.eye(4, size)), state=state, device=GPU, photographs=lambda: faces)
        take_part = STRATEGIES[strategy].take_part
        assert take_part is not None
        waits = HostWaits()
        with waits:
            assert take_part(before) == (batch or 4 * len(of_one))
        noted.append(waits.noted)
        with waits:
            assert public_class_embeddings(before).device.type == "cpu"
        assert {parameter.device.type for parameter in network.parameters()} == {"cpu"}
    assert noted[0] == noted[1]


@pytest.mark.parametrize("kept", [0, 1, 100])
def test_photographs_that_are_shared_may_be_there_or_not(
    tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "refuse_overflow", lambda _features_ND: None)
    faces = CachedDataset(tiny_faces, kept * tiny_faces.images(tiny_faces.identities[0]).nbytes, GPU)
    plan = tiny_plan(strategy="fedfr", split={"public": 4, "clients": 8, "test": 2})
    round_1 = server_round(plan, initial_network(plan.model, 0), torch.eye(8, plan.model.embedding_size))
    with HostWaits():
        guidance = STRATEGIES["fedfr"].finish(replace(round_1, device=GPU, photographs=lambda: faces)).guidance
    assert {tensor.device.type for tensor in guidance.values()} == {"cpu"}


@pytest.mark.parametrize("augmentation", ["plain", "strong"])
@pytest.mark.parametrize("free", [0, 1 << 30])
def test_a_step_of_a_pre_training_waits_for_nothing(
    tiny_plan: Callable[..., Plan], augmentation: str, free: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the GPU has room for the images or not."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (free, free))
    with GPU:
        network = build_network(tiny_plan().model)
    plan = PretrainPlan.model_validate({"batch_size": 8, "epochs": 4, "augmentation": augmentation})
    people = LabelledImages(("a", "b", "c"), images(24), torch.arange(24) // 8)
    training = CosFaceTraining(network, people, plan)
    waits = HostWaits()
    with waits:
        for _ in range(4):
            training.take_step()
    assert waits.noted == []


def test_scores_wait_once_for_a_block_and_templates_for_nothing() -> None:
    faces = EmbeddedFaces(torch.zeros(30, 8, device=GPU), np.arange(30) != 7, np.ones(30))
    rows = TemplateRows(np.arange(30), np.arange(30) % 2, np.arange(30) // 2, {number: number for number in range(15)})
    waits = HostWaits()
    with waits:
        templates = pool_templates(faces, rows)
        assert (templates.embeddings_ND.device, waits.noted) == (GPU, [])
        pair_scores(templates, *np.zeros((2, 2 * PAIRS_PER_BLOCK), np.intp))
        assert waits.noted == 2 * ["aten._to_copy"]
        search(templates, np.arange(5), np.arange(5, 15), np.arange(15) % 6)
        assert waits.noted == 3 * ["aten._to_copy"]


@pytest.mark.parametrize(
    ("waiting", "name"),
    [
        (lambda there: float(there.sum()), "aten._local_scalar_dense"),
        (lambda there: bool(there.isfinite().all()), "aten._local_scalar_dense"),
        (lambda there: there.cpu(), "aten._to_copy"),
        (lambda there: torch.zeros(3).to(there.device), "aten._to_copy"),
        (lambda there: torch.equal(there, there), "aten.equal"),
    ],
)
def test_what_waits_is_noted(waiting: Callable[[Tensor], object], name: str) -> None:
    waits = HostWaits()
    with waits:
        partial(waiting, torch.zeros(3, device=GPU))()
    assert waits.noted == [name]
