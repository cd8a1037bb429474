"""1:1 verification: are two images of one person? Scored by cosine over all pairs of test images.

G genuine pairs (of one identity), M impostor pairs (of two identities), N images, D dimensions, B images in a block.

TAR changes only at genuine scores, so other thresholds need not be tried. All figures follow from two counts at each genuine
score: how many impostor scores are above it, and how many are equal to it. So impostor scores are counted block by block,
where the embeddings are, and not kept (ADR 19): memory grows with G and the size of a block, not with the number of pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import floor

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.results import CosineCounts, RocCurve, Scores, far_label
from fedface_learning.data import FaceDataset
from fedface_learning.device import full_product, moved, sum_in_float64
from fedface_learning.evaluation.cosine_counts import CosineCounter, summed
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.models.embedding import embed, suitable_batch_size

ROC_POINTS = 500
BLOCK = 512  # images whose cosines with all later images are in memory at one time

_Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Verification:
    """The scores of one model, and its ROC curve of at most `ROC_POINTS` points, evenly spaced by the logarithm of FAR."""

    scores: Scores
    roc: RocCurve
    thresholds: Mapping[str, float | None]
    """FAR → the smallest cosine from which a pair is accepted at this FAR; None if there is none."""
    cosines: CosineCounts
    """The histograms of the cosines of all pairs."""


def evaluate(
    network: EmbeddingNetwork, dataset: FaceDataset, identities: Sequence[str], far: Sequence[float]
) -> Verification:
    """Embed all images of ``identities`` and verify all pairs of them. The network stays in evaluation mode.

    ``far`` are the false accept rates for TAR. `InvalidInputError` if there are no genuine or no impostor pairs.
    """
    return verify_pairs(*embed_identities(network, map(dataset.images, identities)), far)


def embed_identities(network: EmbeddingNetwork, images_of_each: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Unit embeddings (N, D) of the images of each identity, and the index of each image's identity (N,).

    Both are on the network's device. A GPU gets the images of many identities at once; a CPU gains nothing by that.
    """
    batch_size = suitable_batch_size(network.device)
    embeddings = []
    labels = []
    waiting: list[Tensor] = []
    for label, images_NCHW in enumerate(images_of_each):
        labels.append(torch.full((len(images_NCHW),), label))
        if network.device.type == "cpu":
            embeddings.append(embed(network, images_NCHW))
            continue
        waiting.append(moved(images_NCHW, network.device))
        if sum(map(len, waiting)) >= batch_size:
            embeddings.append(embed(network, torch.cat(waiting), batch_size))
            waiting.clear()
    if waiting:
        embeddings.append(embed(network, torch.cat(waiting), batch_size))
    return torch.cat(embeddings), torch.cat(labels).to(network.device)


def verify_pairs(embeddings_ND: Tensor, labels_N: Tensor, far: Sequence[float]) -> Verification:
    """Score all N(N−1)/2 pairs of unit embeddings (N, D). Two images with equal labels (N,) are a genuine pair.

    *TAR at FAR x* is the largest share of genuine pairs that a threshold ``score ≥ t`` accepts, if it accepts at most
    ``x · M`` impostor pairs; a score of exactly t is accepted. None if ``x · M < 1``. The *threshold* is the smallest
    genuine score that is such a t, or None. *AUC* is exact; ties count half. *EER* is the FAR of the point at which FAR =
    1 − TAR on the ROC curve, which is linear between its points.

    `InvalidInputError` if there are no genuine or no impostor pairs.
    """
    genuine_G = _genuine_scores(embeddings_ND, labels_N)
    genuine_pairs = len(genuine_G)
    impostor_pairs = len(labels_N) * (len(labels_N) - 1) // 2 - genuine_pairs
    if not genuine_pairs or not impostor_pairs:
        raise InvalidInputError(
            f"verification needs two identities and two images of one of them; these {len(labels_N)} images give "
            f"{genuine_pairs} genuine and {impostor_pairs} impostor pairs"
        )
    thresholds, genuine_at = np.unique(genuine_G, return_counts=True)
    counter = CosineCounter(embeddings_ND.device)
    above, at_or_above, impostor_sum = _count_impostors(embeddings_ND, labels_N, thresholds, counter)
    # The curve starts at the strictest threshold. Each genuine score gives two points: just above it, and at it.
    accepted = np.cumsum(genuine_at[::-1])
    true_accepts = _curve(accepted - genuine_at[::-1], accepted, genuine_pairs)
    false_accepts = _curve(above[::-1], at_or_above[::-1], impostor_pairs)
    far_curve = false_accepts / impostor_pairs
    tar_curve = true_accepts / genuine_pairs
    scores = Scores(
        tar={far_label(rate): _tar_at(rate, false_accepts, tar_curve) for rate in far},
        auc=float(np.trapezoid(tar_curve, far_curve)),
        eer=float(np.interp(1.0, far_curve + tar_curve, far_curve)),
        genuine_pairs=genuine_pairs,
        impostor_pairs=impostor_pairs,
        mean_genuine_cosine=float(genuine_G.mean(dtype=np.float64)),
        mean_impostor_cosine=impostor_sum / impostor_pairs,
    )
    accepted_from = {far_label(rate): _threshold_at(rate, impostor_pairs, thresholds, at_or_above) for rate in far}
    return Verification(scores, _thin(far_curve, tar_curve), accepted_from, counter.counts)


def allowed_false_accepts(far: float, impostor_pairs: int) -> int:
    """The number of impostor pairs that may be accepted at this FAR; 0 if there are too few pairs for it."""
    return floor(far * impostor_pairs * (1 + 1e-12))  # 0.001 · 19000 must not round to 18.999…


def mean_verification(of_models: Sequence[Verification]) -> Verification:
    """The mean of the verifications of several models over equal pairs.

    Each score is averaged. The ROC curve has the mean TAR at each FAR of the first model's curve. A TAR that is None stays
    None. The histograms are those of all models together. There are no thresholds: each model has its own.
    """
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
    curve = RocCurve(far=far, tar=tars.tolist())
    return Verification(averaged, curve, dict.fromkeys(first.tar), summed([each.cosines for each in of_models]))


def _genuine_scores(embeddings_ND: Tensor, labels_N: Tensor) -> npt.NDArray[np.float32]:
    genuine_G = torch.cat([scores[genuine] for scores, genuine in _pair_blocks(embeddings_ND, labels_N)])
    return genuine_G.cpu().numpy()


def _count_impostors(
    embeddings_ND: Tensor, labels_N: Tensor, thresholds: npt.NDArray[np.float32], counter: CosineCounter
) -> tuple[_Counts, _Counts, float]:
    """The number of impostor scores above each threshold, the number at or above it, and the sum of all impostor scores.

    ``counter`` counts the cosines of all pairs.
    """
    thresholds_T = torch.from_numpy(thresholds).to(embeddings_ND.device)
    bins = len(thresholds) + 1
    above = torch.zeros(bins, dtype=torch.int64, device=thresholds_T.device)
    at_or_above = torch.zeros_like(above)
    total = 0.0
    for scores, genuine in _pair_blocks(embeddings_ND, labels_N):
        impostors = scores[~genuine]
        counter.count(scores[genuine], impostors)
        total += sum_in_float64(impostors)
        # A score with k thresholds below it is above the first k thresholds.
        above += torch.bincount(torch.searchsorted(thresholds_T, impostors, side="left"), minlength=bins)
        at_or_above += torch.bincount(torch.searchsorted(thresholds_T, impostors, side="right"), minlength=bins)
    return _reversed_cumsum(above.cpu().numpy())[1:], _reversed_cumsum(at_or_above.cpu().numpy())[1:], total


def _pair_blocks(embeddings_ND: Tensor, labels_N: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """In blocks, each pair once: the cosines of the pairs, and whether they are genuine."""
    for first in range(0, len(embeddings_ND), BLOCK):
        rows = slice(first, first + BLOCK)
        cosines_BN = full_product(embeddings_ND[rows], embeddings_ND[first:].T)
        later_BN = torch.ones_like(cosines_BN, dtype=torch.bool).triu(diagonal=1)
        same_BN = labels_N[rows].unsqueeze(1) == labels_N[first:].unsqueeze(0)
        yield cosines_BN[later_BN], same_BN[later_BN]


def _reversed_cumsum(counts: _Counts) -> _Counts:
    """The sums of all counts from each index to the end."""
    return np.cumsum(counts[::-1])[::-1]


def _curve(just_above: _Counts, at: _Counts, pairs: int) -> _Counts:
    """The numbers of accepted pairs along the ROC curve, from none to all."""
    return np.concatenate([[0], np.stack([just_above, at], axis=1).ravel(), [pairs]])


def _tar_at(far: float, false_accepts: _Counts, tar_curve: npt.NDArray[np.float64]) -> float | None:
    allowed = allowed_false_accepts(far, int(false_accepts[-1]))
    if not allowed:
        return None
    return float(tar_curve[np.searchsorted(false_accepts, allowed, side="right") - 1])


def _threshold_at(
    far: float, impostor_pairs: int, thresholds: npt.NDArray[np.float32], at_or_above: _Counts
) -> float | None:
    """The smallest of the growing ``thresholds`` that has no more impostor scores at or above it than allowed."""
    allowed = allowed_false_accepts(far, impostor_pairs)
    place = int(np.searchsorted(-at_or_above, -allowed, side="left"))
    return float(thresholds[place]) if allowed and place < len(thresholds) else None


def _thin(far_curve: npt.NDArray[np.float64], tar_curve: npt.NDArray[np.float64]) -> RocCurve:
    """The origin, and the best TAR up to each of `ROC_POINTS` − 1 false accept rates."""
    lowest = far_curve[far_curve > 0][0]
    rates = np.geomspace(lowest, 1.0, ROC_POINTS - 1)
    rates[-1] = 1.0
    chosen = np.unique(np.concatenate([[0], np.searchsorted(far_curve, rates, side="right") - 1]))
    return RocCurve(far=far_curve[chosen].tolist(), tar=tar_curve[chosen].tolist())
