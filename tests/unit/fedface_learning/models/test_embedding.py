"""Embeddings and features of many images: batches do not change them, and the mean is exact."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import ModelPlan
from fedface_learning.models import EmbeddingNetwork, initial_network
from fedface_learning.models.embedding import embed, features_of_pixels, mean_feature, raw_features, unit_embeddings

IMAGES_NCHW = torch.randint(0, 256, (5, 1, 32, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def network() -> EmbeddingNetwork:
    """One with BatchNorm, whose features would depend on the batch in training mode."""
    size = {"height": 32, "width": 16, "channels": 1, "embedding_size": 8, "widths": (4, 6, 8)}
    network = initial_network(ModelPlan.model_validate({"architecture": "mobilefacenet", **size}), seed=0)
    network.centre.fill_(0.01)
    return network.train()


def test_batches_do_not_change_embeddings_and_features(network: EmbeddingNetwork) -> None:
    embeddings_ND = embed(network, IMAGES_NCHW, batch_size=2)
    features_ND = raw_features(network, IMAGES_NCHW, batch_size=2)
    assert not network.training
    assert not embeddings_ND.requires_grad
    torch.testing.assert_close(embeddings_ND, network(IMAGES_NCHW).detach())
    torch.testing.assert_close(features_ND, network.features(IMAGES_NCHW).detach())


def test_features_of_pixels_are_those_of_their_images(network: EmbeddingNetwork) -> None:
    assert torch.equal(features_of_pixels(network, network.pixels(IMAGES_NCHW)), raw_features(network, IMAGES_NCHW))


def test_the_mean_feature_is_summed_in_float64() -> None:
    features_ND = torch.tensor([[2.0**30], [1.0], [1.0], [-(2.0**30)]])  # In float32, 2³⁰ + 1 is 2³⁰.
    mean_D = mean_feature(features_ND)
    assert mean_D.dtype == torch.float32
    assert mean_D.tolist() == [0.5]


@pytest.mark.parametrize("largest", [1e30, 1e38, float("inf")], ids=["length", "sum", "infinite"])
@pytest.mark.parametrize("function", [embed, raw_features])
def test_finite_weights_whose_features_overflow_give_no_embedding(
    network: EmbeddingNetwork, function: Callable[[EmbeddingNetwork, Tensor], Tensor], largest: float
) -> None:
    """The length of features of 1e30 is no float32: divided by it they were zero, as if the face had no direction."""
    last = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)][-1]
    last.weight.data.fill_(min(largest, 3e38))
    last.bias.data.fill_(min(largest, 3e38))
    assert all(tensor.isfinite().all() for tensor in network.state_dict().values())
    with pytest.raises(
        InvalidInputError, match=r"^the network's features of 5 of 5 images are not finite, or too large for"
    ):
        function(network, IMAGES_NCHW)


def test_a_feature_of_length_0_has_no_direction() -> None:
    unit_ND = unit_embeddings(torch.tensor([[0.0, 0.0], [0.0, 2.0]]))
    assert unit_ND.tolist() == [[0, 0], [0, 1]]
    with pytest.raises(InvalidInputError, match="features of 1 of 2 images are not finite"):
        unit_embeddings(torch.tensor([[0.0, float("nan")], [0.0, 2.0]]))
