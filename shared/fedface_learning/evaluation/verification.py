"""1:1 verification: are two images of one person? Scored over all pairs of test images by cosine.

G genuine pairs (one identity), M impostor pairs (two identities). N images, D dimensions.

Everything follows from two counts at each genuine score g: the impostor scores above g, and those equal to it. TAR can
only change at a genuine score, so no other threshold matters. Impostor scores are therefore counted block by block and
never kept: memory grows with G and one block, not with the number of pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import floor

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.results import RocCurve, Scores, far_label
from fedface_learning.data import FaceDataset
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.models.embedding import embed

ROC_POINTS = 500
BLOCK = 512  # images whose cosines with all later images are in memory at once

_Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Verification:
    """The scores of one model, and its ROC curve thinned to at most `ROC_POINTS` points, evenly by the logarithm of FAR."""

    scores: Scores
    roc: RocCurve


def evaluate(
    network: EmbeddingNetwork, dataset: FaceDataset, identities: Sequence[str], far: Sequence[float]
) -> Verification:
    """Verify all pairs of all images of ``identities``. Leaves the network in evaluation mode."""
    return verify_pairs(*embed_identities(network, dataset, identities), far)


def embed_identities(network: EmbeddingNetwork, dataset: FaceDataset, identities: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Unit embeddings (N, D) of all images of ``identities``, and their places in that list (N,)."""
    embeddings, labels = [], []
    for label, identity in enumerate(identities):
        embeddings.append(embed(network, dataset.images(identity)))
        labels.append(torch.full((len(embeddings[-1]),), label))
    return torch.cat(embeddings), torch.cat(labels)


def verify_pairs(embeddings_ND: Tensor, labels_N: Tensor, far: Sequence[float]) -> Verification:
    """Score all N(N−1)/2 pairs of unit embeddings. Two images are a genuine pair where their labels are equal.

    *TAR at FAR x*: the largest share of genuine pairs accepted by a threshold ``score ≥ t`` that accepts at most ``x · M``
    impostor pairs; an impostor at exactly t counts as accepted. None where ``x · M < 1``, too few to resolve x.
    *AUC* is exact, ties counting half. *EER* is where the ROC curve, linear between its points, has FAR = 1 − TAR.
    """
    genuine_G = _genuine_scores(embeddings_ND, labels_N)
    genuine_pairs = len(genuine_G)
    impostor_pairs = len(labels_N) * (len(labels_N) - 1) // 2 - genuine_pairs
    if not genuine_pairs or not impostor_pairs:
        raise InvalidInputError(
            f"verification needs two identities and two images of one of them; these {len(labels_N)} images give "
            f"{genuine_pairs} genuine and {impostor_pairs} impostor pairs"
        )
    thresholds, held = np.unique(genuine_G, return_counts=True)
    above, at_or_above, impostor_sum = _count_impostors(embeddings_ND, labels_N, thresholds)
    # The curve runs from the strictest threshold to none: just above each genuine score, then at it.
    accepted = np.cumsum(held[::-1])
    true_accepts = _curve(accepted - held[::-1], accepted, genuine_pairs)
    false_accepts = _curve(above[::-1], at_or_above[::-1], impostor_pairs)
    far_curve, tar_curve = false_accepts / impostor_pairs, true_accepts / genuine_pairs
    scores = Scores(
        tar={far_label(rate): _tar_at(rate, false_accepts, tar_curve) for rate in far},
        auc=float(np.trapezoid(tar_curve, far_curve)),
        eer=float(np.interp(1.0, far_curve + tar_curve, far_curve)),
        genuine_pairs=genuine_pairs,
        impostor_pairs=impostor_pairs,
        mean_genuine_cosine=float(genuine_G.mean(dtype=np.float64)),
        mean_impostor_cosine=impostor_sum / impostor_pairs,
    )
    return Verification(scores, _thinned(far_curve, tar_curve))


def allowed_false_accepts(far: float, impostor_pairs: int) -> int:
    """How many impostor pairs may be accepted at this FAR; none where they are too few to resolve it."""
    return floor(far * impostor_pairs * (1 + 1e-12))  # 0.001 · 19000 must not round to 18.999…


def mean_verification(of_models: Sequence[Verification]) -> Verification:
    """The mean over several models on the same pairs: of each score, and of the TARs along the first model's FARs."""
    scores = [each.scores for each in of_models]
    first = scores[0]

    def mean(of: Callable[[Scores], float]) -> float:
        return sum(of(each) for each in scores) / len(scores)

    def mean_tar(label: str) -> float | None:
        return None if first.tar[label] is None else mean(lambda each: each.tar[label] or 0.0)

    far = of_models[0].roc.far
    tars = np.mean([np.interp(far, each.roc.far, each.roc.tar) for each in of_models], axis=0)
    averaged = Scores(
        protocol=first.protocol,
        tar={label: mean_tar(label) for label in first.tar},
        auc=mean(lambda each: each.auc),
        eer=mean(lambda each: each.eer),
        genuine_pairs=first.genuine_pairs,
        impostor_pairs=first.impostor_pairs,
        mean_genuine_cosine=mean(lambda each: each.mean_genuine_cosine),
        mean_impostor_cosine=mean(lambda each: each.mean_impostor_cosine),
    )
    return Verification(averaged, RocCurve(far=far, tar=tars.tolist()))


def _genuine_scores(embeddings_ND: Tensor, labels_N: Tensor) -> npt.NDArray[np.float32]:
    return np.concatenate([scores[genuine] for scores, genuine in _pair_blocks(embeddings_ND, labels_N)])


def _count_impostors(
    embeddings_ND: Tensor, labels_N: Tensor, thresholds: npt.NDArray[np.float32]
) -> tuple[_Counts, _Counts, float]:
    """How many impostor scores lie above each threshold, and how many at or above it; and the sum of all of them."""
    above = np.zeros(len(thresholds) + 1, dtype=np.int64)
    at_or_above = np.zeros_like(above)
    total = 0.0
    for scores, genuine in _pair_blocks(embeddings_ND, labels_N):
        impostors = scores[~genuine]
        total += float(impostors.sum(dtype=np.float64))
        # A score with k thresholds below it lies above the first k of them.
        above += np.bincount(np.searchsorted(thresholds, impostors, side="left"), minlength=len(above))
        at_or_above += np.bincount(np.searchsorted(thresholds, impostors, side="right"), minlength=len(above))
    return _from_the_end(above)[1:], _from_the_end(at_or_above)[1:], total


def _pair_blocks(embeddings_ND: Tensor, labels_N: Tensor) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]]:
    """Each pair once: its cosine, and whether it is genuine."""
    for first in range(0, len(embeddings_ND), BLOCK):
        rows = slice(first, first + BLOCK)
        cosines_BN = embeddings_ND[rows] @ embeddings_ND[first:].T
        later_BN = torch.ones_like(cosines_BN, dtype=torch.bool).triu(diagonal=1)
        same_BN = labels_N[rows].unsqueeze(1) == labels_N[first:].unsqueeze(0)
        yield cosines_BN[later_BN].numpy(), same_BN[later_BN].numpy()


def _from_the_end(counts: _Counts) -> _Counts:
    """Cumulative sums from each place to the end."""
    return np.cumsum(counts[::-1])[::-1]


def _curve(just_above: _Counts, at: _Counts, pairs: int) -> _Counts:
    """Accepted pairs along the ROC curve, from none to all."""
    return np.concatenate([[0], np.stack([just_above, at], axis=1).ravel(), [pairs]])


def _tar_at(far: float, false_accepts: _Counts, tar_curve: npt.NDArray[np.float64]) -> float | None:
    allowed = allowed_false_accepts(far, int(false_accepts[-1]))
    if not allowed:
        return None
    return float(tar_curve[np.searchsorted(false_accepts, allowed, side="right") - 1])


def _thinned(far_curve: npt.NDArray[np.float64], tar_curve: npt.NDArray[np.float64]) -> RocCurve:
    """Points of the curve: the best TAR up to each of `ROC_POINTS` − 1 false accept rates, and the origin."""
    lowest = far_curve[far_curve > 0][0]
    rates = np.geomspace(lowest, 1.0, ROC_POINTS - 1)
    rates[-1] = 1.0
    chosen = np.unique(np.concatenate([[0], np.searchsorted(far_curve, rates, side="right") - 1]))
    return RocCurve(far=far_curve[chosen].tolist(), tar=tar_curve[chosen].tolist())
