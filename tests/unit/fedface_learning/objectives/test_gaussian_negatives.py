"""CosFace with a Gaussian among its negatives, against the sum over all class embeddings, in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedface_learning.objectives.class_sums import ClassSums, Gaussian, on_the_grid
from fedface_learning.objectives.gaussian_negatives import cosface_with_gaussian, gaussian_logits
from fedface_learning.objectives.losses import cosface

SIZE = 8
SCALE = 10.0


def unit(count: int, seed: int, around_D: Tensor | None = None, spread: float = 1.0) -> Tensor:
    draws = torch.randn(count, SIZE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return normalize(draws * spread + (0 if around_D is None else around_D), dim=1)


def gaussian_of(rows_CD: Tensor) -> Gaussian:
    total = ClassSums.empty(SIZE)
    for row_D in rows_CD:
        total = total + ClassSums.part_of(row_D)
    found = total.gaussian()
    assert found is not None
    return found


@pytest.mark.parametrize(("spread", "tolerance"), [(0.001, 1e-6), (0.01, 1e-4), (0.05, 1e-2)])
def test_near_class_embeddings_act_as_their_gaussian(spread: float, tolerance: float) -> None:
    """The error falls with the third power of their spread, which is the order of the first cumulant that is left out."""
    rows_CD = unit(500, 1, unit(1, 0)[0], spread)
    embeddings_ND = unit(20, 2)
    expected_N = torch.logsumexp(SCALE * embeddings_ND @ rows_CD.T, dim=1)
    found_N = gaussian_logits(embeddings_ND, gaussian_of(rows_CD), SCALE)
    torch.testing.assert_close(found_N, expected_N, rtol=0, atol=tolerance)
    # The covariance is needed: the mean alone is farther off.
    mean_only_N = torch.log(torch.tensor(500.0)) + SCALE * embeddings_ND @ rows_CD.mean(dim=0)
    assert (mean_only_N - expected_N).abs().max() > 3 * (found_N - expected_N).abs().max()


def test_many_spread_out_class_embeddings_act_nearly_as_their_gaussian() -> None:
    embeddings_ND = unit(50, 2)
    rows_CD = unit(5000, 1)
    expected_N = torch.logsumexp(3.0 * embeddings_ND @ rows_CD.T, dim=1)
    torch.testing.assert_close(gaussian_logits(embeddings_ND, gaussian_of(rows_CD), 3.0), expected_N, rtol=0, atol=0.05)


def test_a_single_other_client_is_exact() -> None:
    """Two clients: the Gaussian of the other one has no covariance, and the loss is CosFace with two classes."""
    own_D, other_D = (on_the_grid(row_D).double() for row_D in unit(2, 0))
    embeddings_ND = unit(6, 3)
    sums = ClassSums.part_of(own_D) + ClassSums.part_of(other_D)
    others = (sums - ClassSums.part_of(own_D)).gaussian()
    labels_N = torch.zeros(6, dtype=torch.int64)
    found = cosface_with_gaussian(embeddings_ND, own_D.unsqueeze(0), labels_N, others, scale=SCALE, margin=0.35)
    cosines_NK = embeddings_ND @ torch.stack([own_D, other_D]).T
    torch.testing.assert_close(found, cosface(cosines_NK, labels_N, scale=SCALE, margin=0.35), rtol=1e-12, atol=0)


def test_without_other_classes_it_is_cosface() -> None:
    rows_KD = unit(4, 0)
    embeddings_ND = unit(6, 1)
    labels_N = torch.tensor([0, 1, 2, 3, 0, 1])
    found = cosface_with_gaussian(embeddings_ND, rows_KD, labels_N, None, scale=SCALE, margin=0.35)
    assert torch.equal(found, cosface(embeddings_ND @ rows_KD.T, labels_N, scale=SCALE, margin=0.35))


def test_its_gradient_is_that_of_the_formula() -> None:
    rows_KD = unit(3, 0)
    gaussian = gaussian_of(unit(50, 1))
    labels_N = torch.tensor([0, 2, 1, 1])

    def loss(features_ND: Tensor) -> Tensor:
        embeddings_ND = normalize(features_ND, dim=1)
        return cosface_with_gaussian(embeddings_ND, rows_KD, labels_N, gaussian, scale=SCALE, margin=0.35)

    features_ND = (2 * unit(4, 5)).requires_grad_()
    assert torch.autograd.gradcheck(loss, (features_ND,))


def test_it_pushes_features_away_from_where_the_others_are() -> None:
    """From their mean, and of two features at one distance from the mean the one that the others are spread along."""
    mean_D = torch.zeros(SIZE, dtype=torch.float64)
    covariance_DD = torch.diag(torch.tensor([0.3] + [0.01] * (SIZE - 1), dtype=torch.float64))
    along, across = gaussian_logits(torch.eye(SIZE, dtype=torch.float64)[:2], Gaussian(100, mean_D, covariance_DD), SCALE)
    assert float(along - across) == pytest.approx(SCALE**2 / 2 * 0.29)


def test_large_scales_overflow_nothing() -> None:
    rows_KD = unit(2, 0).float().requires_grad_()
    embeddings_ND = unit(4, 1).float()
    labels_N = torch.zeros(4, dtype=torch.int64)
    gaussian = gaussian_of(unit(1000, 2))
    loss = cosface_with_gaussian(embeddings_ND, rows_KD, labels_N, gaussian, scale=1000.0, margin=0.35)
    torch.autograd.backward(loss)
    assert loss.isfinite()
    assert rows_KD.grad is not None
    assert rows_KD.grad.isfinite().all()
