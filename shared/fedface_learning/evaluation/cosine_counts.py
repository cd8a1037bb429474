"""Counts cosines in the bins of a histogram: genuine and impostor pairs separately. n pairs of one kind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import torch
from torch import Tensor

from fedface_core.domain.results import COSINE_BINS, CosineCounts
from fedface_learning.device import HOST, full_product

_BINS_A_UNIT: Final = COSINE_BINS // 2


class CosineCounter:
    """Counts the cosines that it is given, in `COSINE_BINS` bins of equal width over [−1, 1]. It keeps the counts only."""

    def __init__(self, device: torch.device = HOST) -> None:
        """The cosines are on this device, and counted there."""
        self._genuine = torch.zeros(COSINE_BINS, dtype=torch.int64, device=device)
        self._impostor = torch.zeros_like(self._genuine)

    def count(self, genuine_n: Tensor, impostor_n: Tensor) -> None:
        """Count these cosines of genuine and of impostor pairs. What rounding has put beyond ±1 counts as ±1."""
        self._genuine += _in_bins(genuine_n)
        self._impostor += _in_bins(impostor_n)

    @property
    def counts(self) -> CosineCounts:
        """How many pairs are in each bin so far."""
        return CosineCounts(genuine=self._genuine.tolist(), impostor=self._impostor.tolist())


def count_cosines(embeddings_ND: Tensor, labels_N: Tensor) -> CosineCounts:
    """Count the cosines of all N(N−1)/2 pairs of unit embeddings (N, D). Equal labels (N,) make a genuine pair."""
    counter = CosineCounter(embeddings_ND.device)
    for image in range(len(labels_N) - 1):
        cosines_n = full_product(embeddings_ND[image + 1 :], embeddings_ND[image])
        genuine_n = labels_N[image + 1 :] == labels_N[image]
        counter.count(cosines_n[genuine_n], cosines_n[~genuine_n])
    return counter.counts


def summed(of_models: Iterable[CosineCounts]) -> CosineCounts:
    """The counts of several models in equal bins, together."""
    counts = list(of_models)
    genuine = np.sum([each.genuine for each in counts], axis=0, dtype=np.int64)
    impostor = np.sum([each.impostor for each in counts], axis=0, dtype=np.int64)
    return CosineCounts(genuine=genuine.tolist(), impostor=impostor.tolist())


def _in_bins(cosines_n: Tensor) -> Tensor:
    # A float32 times 100 is exact in float64, so each cosine is in its bin, whatever the ends of bins look like in binary.
    bins_n = (cosines_n.double() * _BINS_A_UNIT).floor_().clamp_(-_BINS_A_UNIT, _BINS_A_UNIT - 1).long() + _BINS_A_UNIT
    return torch.bincount(bins_n, minlength=COSINE_BINS)
