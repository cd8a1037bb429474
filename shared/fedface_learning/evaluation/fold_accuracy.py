"""Accuracy of "same person?" with a threshold that was chosen on other pairs. P pairs, F folds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fedface_learning.evaluation.trials import Scores

_Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class FoldAccuracy:
    """Which pairs were answered rightly (P,), and each fold's accuracy (F,)."""

    correct_P: _Booleans
    accuracy_F: npt.NDArray[np.float64]

    @property
    def mean(self) -> float:
        """Over folds."""
        return float(self.accuracy_F.mean())

    @property
    def standard_error(self) -> float:
        """Of the mean, as LFW has it: the folds' standard deviation (n − 1 in the denominator) over √F."""
        return float(self.accuracy_F.std(ddof=1) / np.sqrt(len(self.accuracy_F)))


def best_threshold(scores_P: Scores, genuine_P: _Booleans) -> float:
    """The threshold of highest accuracy, where ``score > threshold`` says "same"; of equally good ones the strictest.

    It lies midway between two neighbouring scores, or beyond all of them. A score of −∞ is below every threshold.
    """
    order = np.argsort(-scores_P, kind="stable")
    order = order[np.isfinite(scores_P[order])]
    falling = scores_P[order].astype(np.float64)
    # Accepting one pair more gains where it is genuine and loses where it is not.
    gains = np.concatenate([[0], np.cumsum(np.where(genuine_P[order], 1, -1))])
    gains[1:-1][falling[:-1] == falling[1:]] = -len(falling)  # no threshold parts equal scores
    accepted = int(np.argmax(gains))
    if accepted == 0:
        return np.inf
    if accepted == len(falling):
        return -np.inf
    upper, lower = float(falling[accepted - 1]), float(falling[accepted])
    midway = (upper + lower) / 2
    return midway if midway < upper else lower


def answered_rightly(scores_P: Scores, genuine_P: _Booleans, threshold: float) -> _Booleans:
    """Which pairs the threshold answers rightly."""
    rightly: _Booleans = (scores_P > threshold) == genuine_P
    return rightly


def fold_accuracy(
    scores_P: Scores,
    genuine_P: _Booleans,
    fold_P: npt.NDArray[np.intp],
    choose: Callable[[Scores, _Booleans], float] = best_threshold,
) -> FoldAccuracy:
    """Each fold answered with the threshold that ``choose`` finds best on all the others."""
    correct_P = np.zeros(len(scores_P), dtype=np.bool_)
    folds = np.unique(fold_P)
    for fold in folds:
        tested = fold_P == fold
        threshold = choose(scores_P[~tested], genuine_P[~tested])
        correct_P[tested] = answered_rightly(scores_P[tested], genuine_P[tested], threshold)
    return FoldAccuracy(correct_P, np.array([correct_P[fold_P == fold].mean() for fold in folds]))
