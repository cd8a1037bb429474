"""Counts cosines in the bins of a histogram: genuine and impostor pairs separately. n pairs of one kind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt
from torch import Tensor

from fedface_core.domain.results import COSINE_BINS, CosineCounts
from fedface_learning.device import full_product

_BINS_A_UNIT: Final = COSINE_BINS // 2

Cosines = npt.NDArray[np.floating]


class CosineCounter:
    """Counts the cosines that it is given, in `COSINE_BINS` bins of equal width over [−1, 1]. It keeps the counts only."""

    def __init__(self) -> None:
        self._genuine = np.zeros(COSINE_BINS, dtype=np.int64)
        self._impostor = np.zeros(COSINE_BINS, dtype=np.int64)

    def count(self, genuine_n: Cosines, impostor_n: Cosines) -> None:
        """Count these cosines of genuine and of impostor pairs. What rounding has put beyond ±1 counts as ±1."""
        self._genuine += _in_bins(genuine_n)
        self._impostor += _in_bins(impostor_n)

    @property
    def counts(self) -> CosineCounts:
        """How many pairs are in each bin so far."""
        return CosineCounts(genuine=self._genuine.tolist(), impostor=self._impostor.tolist())


def count_cosines(embeddings_ND: Tensor, labels_N: Tensor) -> CosineCounts:
    """Count the cosines of all N(N−1)/2 pairs of unit embeddings (N, D). Equal labels (N,) make a genuine pair."""
    counter = CosineCounter()
    for image in range(len(labels_N) - 1):
        cosines_n = full_product(embeddings_ND[image + 1 :], embeddings_ND[image]).cpu().numpy()
        genuine_n = (labels_N[image + 1 :] == labels_N[image]).cpu().numpy()
        counter.count(cosines_n[genuine_n], cosines_n[~genuine_n])
    return counter.counts


def summed(of_models: Iterable[CosineCounts]) -> CosineCounts:
    """The counts of several models in equal bins, together."""
    counts = list(of_models)
    genuine = np.sum([each.genuine for each in counts], axis=0, dtype=np.int64)
    impostor = np.sum([each.impostor for each in counts], axis=0, dtype=np.int64)
    return CosineCounts(genuine=genuine.tolist(), impostor=impostor.tolist())


def _in_bins(cosines_n: Cosines) -> npt.NDArray[np.int64]:
    # A float32 times 100 is exact in float64, so each cosine is in its bin, whatever the ends of bins look like in binary.
    bins_n = np.floor(cosines_n.astype(np.float64) * _BINS_A_UNIT).astype(np.int64) + _BINS_A_UNIT
    return np.bincount(bins_n.clip(0, COSINE_BINS - 1), minlength=COSINE_BINS)
