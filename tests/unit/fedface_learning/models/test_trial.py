"""The trial of a model on noise: a usable one passes, one that is of no use is refused before it is published."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from fedface_core.domain.errors import UnusableModelError
from fedface_core.domain.plan import ModelPlan
from fedface_learning.models import EmbeddingNetwork, initial_network
from fedface_learning.models.trial import trial_features, try_out
from support.small_networks import MOBILE, TINY


def network(model: dict[str, object]) -> EmbeddingNetwork:
    return initial_network(ModelPlan.model_validate(model), seed=0)


@pytest.mark.parametrize("model", [TINY, MOBILE], ids=["spherenet", "mobilefacenet"])
def test_a_fresh_network_passes_and_is_not_changed(model: dict[str, object]) -> None:
    tried = network(model).train()
    before = {name: tensor.clone() for name, tensor in tried.state_dict().items()}
    try_out(tried)
    assert not tried.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in tried.state_dict().items())


def test_the_noise_is_the_same_every_time_and_differs_from_image_to_image() -> None:
    first_ND = trial_features(network(TINY))
    second_ND = trial_features(network(TINY))
    assert first_ND.shape == (4, 16)
    assert torch.equal(first_ND, second_ND)
    assert len({tuple(feature) for feature in first_ND.tolist()}) == 4


def negative_variance(tried: EmbeddingNetwork) -> None:
    next(buffer for name, buffer in tried.named_buffers() if name.endswith("running_var")).fill_(-20.0)


def too_large(tried: EmbeddingNetwork) -> None:
    for parameter in tried.parameters():
        parameter.data.mul_(1e12)


def all_zero(tried: EmbeddingNetwork) -> None:
    for parameter in tried.parameters():
        parameter.data.zero_()


def far_centre(tried: EmbeddingNetwork) -> None:
    tried.centre.fill_(1e30)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (negative_variance, "are not finite"),
        (too_large, "are not finite"),
        (far_centre, "are not finite"),
        (all_zero, "the same embedding for each"),
    ],
)
def test_a_model_of_no_use_is_refused(spoil: Callable[[EmbeddingNetwork], None], why: str) -> None:
    spoiled = network(MOBILE)
    spoil(spoiled)
    with pytest.raises(UnusableModelError, match=f"the new model was tried on images of noise: .*{why}"):
        try_out(spoiled)
