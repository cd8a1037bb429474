"""What GPUs compute another way, computed that way on the CPU: recorded steps, and convolutions as products."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.functional import normalize

from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_learning.client import recorded_step, vectorised_training
from fedface_learning.client.convolutions_as_products import ConvolutionsAsProducts, _Convolution  # noqa: PLC2701 - to see that it is called
from fedface_learning.client.local_training import Trainee, TrainingRound
from fedface_learning.client.recorded_step import RecordedSteps
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.client.vectorised_training import train_vectorised
from fedface_learning.models import initial_network
from fedface_learning.objectives.class_sums import ClassSums
from fedface_learning.strategies import STRATEGIES
from fedface_learning.strategies.fedfr import SHARED_EMBEDDINGS, SHARED_IMAGES, SHARED_LABELS
from fedface_learning.strategies.fedfv import EQUIVALENT
from fedface_learning.strategies.public_negatives import PUBLIC

PlanOf = Callable[..., Plan]


def draws(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def guidance(size: int, seed: int) -> dict[str, Tensor]:
    def rows(count: int) -> Tensor:
        return normalize(torch.randn(count, size, generator=draws(seed)), dim=1)

    return {
        PUBLIC: rows(5),
        EQUIVALENT: rows(4),
        SHARED_IMAGES: torch.randint(256, (10, 1, 32, 32), dtype=torch.uint8, generator=draws(seed)),
        SHARED_LABELS: torch.arange(10) // 2,
        SHARED_EMBEDDINGS: rows(10),
        **ClassSums.part_of(rows(1)[0]).tensors(),
    }


def trainees_of(seed: int, size: int) -> list[Trainee]:
    pixels = torch.randint(256, (3, 6, 1, 32, 32), dtype=torch.uint8, generator=draws(seed))
    rows = normalize(torch.randn(3, size, generator=draws(seed)), dim=1)
    counts = [6, 4, 5]
    return [
        Trainee(client_id(index), pixels[index, : counts[index]], rows[index], place=index) for index in range(len(pixels))
    ]


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("strategy", [*sorted(STRATEGIES), {"name": "gaussian-negatives", "anchor": 5.0}], ids=str)
def test_one_recording_trains_every_group_of_every_round_as_if_there_were_none(
    tiny_plan: PlanOf, monkeypatch: pytest.MonkeyPatch, strategy: Any, momentum: float
) -> None:
    """Groups differ in images and class embeddings, rounds in model, guidance, anchor and learning rate."""
    local = {"steps": 3, "learning_rate": 0.05, "momentum": momentum, "vectorised_clients": 3, "schedule": "one-cycle"}
    split = {"public": 4, "clients": 8, "test": 8}
    plan = tiny_plan(strategy=strategy, rounds=4, data={"images_per_client": 6}, split=split, local_training=local)
    size = plan.model.embedding_size

    def trained() -> tuple[list[Tensor], LocalTrainer]:
        trainer = LocalTrainer(initial_network(plan.model, 0))
        found: list[Tensor] = []
        for number in (1, 2):
            trainer.start_from(initial_network(plan.model, number).state_dict(), "a test")
            anchor = initial_network(plan.model, 10 + number) if plan.anchor else None
            training = TrainingRound(plan, number, guidance(size, number), anchor=anchor)
            for group in (1, 2):
                for result in train_vectorised(trainer, trainees_of(10 * number + group, size), training):
                    found += [tensor.clone() for tensor in result.model.values()]
                    found += [*result.uploads.values(), torch.tensor([result.loss_before, result.loss_after])]
        return found, trainer

    expected, _ = trained()
    monkeypatch.setattr(vectorised_training, "CUDA", "cpu")
    by_products: list[Any] = []
    apply: Any = _Convolution.apply

    def noted(*inputs: Any) -> Any:
        by_products.append(inputs)
        return apply(*inputs)

    monkeypatch.setattr(_Convolution, "apply", noted)
    found, trainer = trained()
    assert len(trainer.recorded_steps) == 1
    assert by_products
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


@pytest.fixture
def recording(tiny_plan: PlanOf, monkeypatch: pytest.MonkeyPatch) -> tuple[LocalTrainer, TrainingRound]:
    """A trainer that records its steps, as for a GPU, and the round in which three clients train at once."""
    monkeypatch.setattr(vectorised_training, "CUDA", "cpu")
    plan = tiny_plan(local_training={"steps": 1, "vectorised_clients": 3})
    return LocalTrainer(initial_network(plan.model, 0)), TrainingRound(plan, 1)


def test_a_trainer_keeps_few_recordings_and_makes_another_for_another_computation(
    recording: tuple[LocalTrainer, TrainingRound],
) -> None:
    trainer, training = recording
    size = training.plan.model.embedding_size
    kept = []
    for images in (2, 3, 4, 2, 5, 6, 2):
        group = [
            Trainee(each.client, each.images_NCHW[:1].repeat(images, 1, 1, 1), each.class_embedding_D, place=each.place)
            for each in trainees_of(1, size)
        ]
        train_vectorised(trainer, group, training)
        kept.append(len(trainer.recorded_steps))
    assert kept == [1, 2, 3, 3, 4, 4, 4]


def test_a_recording_that_lacks_memory_is_made_again_when_the_others_and_its_first_attempt_are_gone(
    recording: tuple[LocalTrainer, TrainingRound], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer, training = recording
    group = trainees_of(1, training.plan.model.embedding_size)
    attempts: list[weakref.ref[Any]] = []
    memory = iter(["enough", "short", "enough", "short"])

    def recorded(work: Any, _device: torch.device) -> Callable[[], None]:
        assert not any(attempt() for attempt in attempts)
        if next(memory) == "short":
            attempts.append(weakref.ref(work.__self__))
            raise torch.OutOfMemoryError(f"{len(trainer.recorded_steps)} are kept")
        return lambda: None

    monkeypatch.setattr(recorded_step, "recorded", recorded)

    def train(images: int) -> None:
        alike = [replace(each, images_NCHW=each.images_NCHW[:1].repeat(images, 1, 1, 1)) for each in group]
        train_vectorised(trainer, alike, training)

    train(2)
    train(3)
    assert len(attempts) == len(trainer.recorded_steps) == 1
    trainer.recorded_steps = RecordedSteps()
    with pytest.raises(torch.OutOfMemoryError, match="0 are kept"):
        train(4)


@pytest.mark.parametrize(
    ("kernel", "options"),
    [
        ((3, 3), {"stride": 2, "padding": 1}),
        ((3, 3), {"padding": 1, "bias": False}),
        ((1, 1), {"stride": 2}),
        ((1, 7), {"padding": (0, 3)}),
        ((3, 3), {"padding": 2, "dilation": 2}),
        ((3, 3), {"padding": 1, "groups": 5}),
    ],
)
def test_products_give_the_values_and_gradients_of_convolutions(kernel: tuple[int, int], options: dict[str, Any]) -> None:
    layer = nn.Conv2d(5, 10, kernel, **options).double()
    state = {
        name: torch.randn(4, *tensor.shape, dtype=torch.float64, generator=draws(index), requires_grad=True)
        for index, (name, tensor) in enumerate(layer.state_dict().items())
    }
    x_KNCHW = torch.randn(4, 3, 5, 9, 8, dtype=torch.float64, generator=draws(9), requires_grad=True)

    def values_and_gradients() -> list[Tensor]:
        y_KNOHW = vmap(lambda state, x_NCHW: functional_call(layer, state, (x_NCHW,)))(state, x_KNCHW)
        weights = torch.linspace(-1, 1, y_KNOHW.numel(), dtype=torch.float64).view(y_KNOHW.shape)
        return [y_KNOHW, *torch.autograd.grad((y_KNOHW * weights).sum(), [x_KNCHW, *state.values()])]

    expected = values_and_gradients()
    with ConvolutionsAsProducts():
        found = values_and_gradients()
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs)
