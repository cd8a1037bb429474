"""Images are found from their gradient: of a small network, from few iterations."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedface_core.domain.plan import ModelPlan
from fedface_lab.attack.inversion import Reconstruction, Search, invert
from fedface_learning.models import EmbeddingNetwork, initial_network
from fedface_learning.objectives.losses import positive_squared_hinge
from fedface_learning.seeding import generator
from support.small_networks import MOBILE, TINY

DIRECTION_D = normalize(torch.randn(16, generator=generator(1, "direction")), dim=0)


def loss_by(network: EmbeddingNetwork) -> Callable[[Tensor], Tensor]:
    return lambda images_NCHW: positive_squared_hinge(network(images_NCHW), DIRECTION_D, 0.9)


def gradient_by(network: EmbeddingNetwork, images_NCHW: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss_by(network)(images_NCHW), [*network.parameters()]))


def striped() -> Tensor:
    image = torch.full((1, 1, 32, 32), 60, dtype=torch.uint8)
    image[..., 8:24, 8:24] = 200
    return image


def search(iterations: int, restarts: int = 1, seed: int = 0) -> Search:
    return Search(iterations, restarts, total_variation=0.1, seed=seed)


@pytest.fixture(scope="module")
def found() -> Reconstruction:
    network = initial_network(ModelPlan.model_validate(TINY), 0)
    return invert(network, loss_by(network), gradient_by(network, striped()), 1, search(150))


def test_the_loss_falls_and_the_image_is_found(found: Reconstruction) -> None:
    assert len(found.losses) == 150
    assert found.losses[-1] < 0.2 * found.losses[0]
    assert found.gradient_cosine > 0.9
    inside = found.images_NCHW[..., 10:22, 10:22].float().mean()
    outside = found.images_NCHW[..., :6].float().mean()
    assert inside - outside > 40, "the square is brighter"


def test_it_depends_on_the_seed_alone_and_changes_no_weights() -> None:
    network = initial_network(ModelPlan.model_validate(TINY), 0)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    gradient = gradient_by(network, striped())
    first, again, other = (invert(network, loss_by(network), gradient, 1, search(3, seed=seed)) for seed in (0, 0, 1))
    assert first.losses == again.losses
    assert first.losses != other.losses
    assert all((before[name] == tensor).all() for name, tensor in network.state_dict().items())


@pytest.mark.parametrize(("seed", "first_is_best"), [(0, False), (1, True)])
def test_of_several_restarts_the_best_counts(seed: int, first_is_best: bool) -> None:
    network = initial_network(ModelPlan.model_validate(TINY), 0)
    gradient = gradient_by(network, striped())
    one = invert(network, loss_by(network), gradient, 1, search(3, seed=seed))
    three = invert(network, loss_by(network), gradient, 1, search(3, restarts=3, seed=seed))
    if first_is_best:
        assert three.losses == one.losses
    else:
        assert three.losses[-1] < one.losses[-1]


def test_a_network_with_batch_norm_can_be_inverted_too() -> None:
    calls = []
    network = initial_network(ModelPlan.model_validate(MOBILE), 0).eval()
    found = invert(network, loss_by(network), gradient_by(network, striped()), 1, search(4), lambda: calls.append(1))
    assert len(calls) == 4
    assert found.images_NCHW.shape == (1, 1, 32, 32)
