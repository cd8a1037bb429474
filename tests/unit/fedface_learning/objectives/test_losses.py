"""The losses against their formulae, image by image."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import normalize

from fedface_learning.objectives.losses import cosface, distance_to_anchor, positive_squared_hinge

DRAWS = torch.Generator().manual_seed(0)
EMBEDDINGS_ND = normalize(torch.randn(5, 4, generator=DRAWS, dtype=torch.float64), dim=1)
CLASS_EMBEDDING_D = normalize(torch.randn(4, generator=DRAWS, dtype=torch.float64), dim=0)


@pytest.mark.parametrize("margin", [-1.0, 0.0, 0.9])
def test_the_positive_squared_hinge_is_its_formula(margin: float) -> None:
    hinges = [max(0.0, margin - float(embedding_D @ CLASS_EMBEDDING_D)) for embedding_D in EMBEDDINGS_ND]
    expected = sum(hinge**2 for hinge in hinges) / len(hinges)
    loss = positive_squared_hinge(EMBEDDINGS_ND, CLASS_EMBEDDING_D, margin)
    assert loss.item() == pytest.approx(expected, abs=1e-12)


def test_images_beyond_the_margin_have_no_gradient() -> None:
    embeddings_ND = torch.eye(2, 4, dtype=torch.float64).requires_grad_()
    class_embedding_D = normalize(torch.tensor([2.0, 1.0, 0.0, 0.0], dtype=torch.float64), dim=0)  # cosines 0.89 and 0.45
    loss = positive_squared_hinge(embeddings_ND, class_embedding_D, 0.7)
    (gradient_ND,) = torch.autograd.grad(loss, embeddings_ND)
    assert not gradient_ND[0].any()
    assert (gradient_ND[1] @ class_embedding_D).item() < 0  # Descent raises the cosine.


@pytest.mark.parametrize(("scale", "margin"), [(1.0, 0.0), (8.0, 0.2), (64.0, 0.35)])
def test_cosface_is_its_formula(scale: float, margin: float) -> None:
    cosines_NK = EMBEDDINGS_ND[:, :3]
    labels_N = torch.tensor([0, 1, 2, 2, 0])
    losses = []
    for cosines_K, label in zip(cosines_NK.tolist(), labels_N.tolist(), strict=True):
        logits = [scale * (cosine - margin * (k == label)) for k, cosine in enumerate(cosines_K)]
        losses.append(math.log(sum(math.exp(logit) for logit in logits)) - logits[label])
    loss = cosface(cosines_NK, labels_N, scale=scale, margin=margin)
    assert loss.item() == pytest.approx(sum(losses) / len(losses))


def test_the_distance_to_an_anchor_is_one_minus_the_mean_cosine() -> None:
    anchored_ND = EMBEDDINGS_ND.flip(0)
    cosines = [float(one_D @ other_D) for one_D, other_D in zip(EMBEDDINGS_ND, anchored_ND, strict=True)]
    assert distance_to_anchor(EMBEDDINGS_ND, anchored_ND).item() == pytest.approx(sum(1 - each for each in cosines) / 5)
    assert distance_to_anchor(EMBEDDINGS_ND, EMBEDDINGS_ND).item() == pytest.approx(0)
