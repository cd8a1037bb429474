"""A client's loss with an anchor: what is added, to which embeddings, and that the anchor learns nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import normalize

from fedface_learning.models import initial_network
from fedface_learning.objectives.class_sums import ClassSums, on_the_grid
from fedface_learning.strategies import NOTHING, ClientRound
from fedface_learning.strategies.anchored_loss import anchored_embeddings, client_loss
from fedface_learning.strategies.gaussian_negatives import cosface_against_all_others
from support.small_networks import small_plan

PLAN = small_plan(strategy={"name": "gaussian-negatives", "anchor": 3.0})
OWN_D = on_the_grid(torch.tensor([1.0, 2.0, 0.0, 0.0]))
OTHER_D = on_the_grid(torch.tensor([0.0, 0.0, 1.0, 0.0]))
FEATURES_ND = torch.tensor([[5.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
ANCHORED_ND = normalize(torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.0, -1.0, 0.0, 0.0]]), dim=1)


@pytest.fixture
def client_round() -> ClientRound:
    sums = ClassSums.part_of(OWN_D) + ClassSums.part_of(OTHER_D)
    return ClientRound(PLAN, 1, initial_network(PLAN.model, 0), OWN_D, OWN_D, NOTHING, sums.tensors())


def test_each_image_adds_how_far_its_embedding_is_from_that_of_the_anchor(client_round: ClientRound) -> None:
    """Cosines of 0.7071 and −1, after the client's centre is taken from its features."""
    client_round.network.centre.fill_(0.5)
    loss = cosface_against_all_others(client_round, FEATURES_ND + 0.5)
    found = client_loss(client_round, FEATURES_ND + 0.5, ANCHORED_ND)
    assert float(found - loss) == pytest.approx(3.0 * ((1 - 0.5**0.5) + (1 - -1)) / 2, rel=1e-5)


def test_a_round_that_lacks_its_anchor_is_a_fault_of_ours_and_not_trained(client_round: ClientRound) -> None:
    with pytest.raises(AssertionError, match="brings it along"):
        client_loss(client_round, FEATURES_ND, None)
    free = replace(client_round, plan=small_plan(strategy="gaussian-negatives"))
    assert client_loss(free, FEATURES_ND, None) == cosface_against_all_others(free, FEATURES_ND)


def test_only_the_features_have_a_gradient(client_round: ClientRound) -> None:
    """The pull is along the sphere towards the anchor: descent raises the cosine."""
    features_ND = FEATURES_ND.clone().requires_grad_()
    pull = client_loss(client_round, features_ND, ANCHORED_ND) - cosface_against_all_others(client_round, features_ND)
    (gradient_ND,) = torch.autograd.grad(pull, features_ND)
    assert gradient_ND[0] @ ANCHORED_ND[0] < 0
    assert abs(gradient_ND[0] @ FEATURES_ND[0]) < 1e-6


def test_an_anchors_embeddings_are_its_features_without_its_centre() -> None:
    anchor = initial_network(PLAN.model, 1)
    anchor.centre.fill_(0.1)
    shape = (40, PLAN.model.channels, PLAN.model.height, PLAN.model.width)
    images_NCHW = torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    found_ND = anchored_embeddings(anchor, anchor.pixels(images_NCHW))
    assert not found_ND.requires_grad
    torch.testing.assert_close(found_ND, anchor(images_NCHW).detach())
