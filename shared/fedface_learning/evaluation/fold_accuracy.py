"""The accuracy of "same person?" with a threshold that was chosen on other pairs. P pairs, F folds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fedface_learning.evaluation.trials import Scores

_Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class FoldAccuracy:
    """The answers and the accuracies of all folds."""

    correct_P: _Booleans
    """Which pairs were answered correctly (P,)."""
    accuracy_F: npt.NDArray[np.float64]
    """The accuracy of each fold (F,)."""

    @property
    def mean(self) -> float:
        """The mean accuracy over folds."""
        return float(self.accuracy_F.mean())

    @property
    def standard_error(self) -> float:
        """The standard error of the mean, as LFW defines it: the folds' standard deviation (n − 1) divided by √F."""
        return float(self.accuracy_F.std(ddof=1) / np.sqrt(len(self.accuracy_F)))


def best_threshold(scores_P: Scores, genuine_P: _Booleans) -> float:
    """The threshold of highest accuracy, if ``score > threshold`` means "same"; of equally good ones the strictest.

    It lies midway between two neighbouring scores, or is ±∞. A score of −∞ is below every threshold.
    """
    order = np.argsort(-scores_P, kind="stable")
    order = order[np.isfinite(scores_P[order])]
    decreasing = scores_P[order].astype(np.float64)
    # To accept one pair more is a gain if it is genuine, and a loss if not.
    gains = np.concatenate([[0], np.cumsum(np.where(genuine_P[order], 1, -1))])
    gains[1:-1][decreasing[:-1] == decreasing[1:]] = -len(decreasing)  # no threshold lies between equal scores
    accepted = int(np.argmax(gains))
    if accepted == 0:
        return np.inf
    if accepted == len(decreasing):
        return -np.inf
    upper = float(decreasing[accepted - 1])
    lower = float(decreasing[accepted])
    midway = (upper + lower) / 2
    return midway if midway < upper else lower


def correct_answers(scores_P: Scores, genuine_P: _Booleans, threshold: float) -> _Booleans:
    """Which pairs the threshold answers correctly (P,)."""
    correct_P: _Booleans = (scores_P > threshold) == genuine_P
    return correct_P


def fold_accuracy(
    scores_P: Scores,
    genuine_P: _Booleans,
    fold_P: npt.NDArray[np.intp],
    choose: Callable[[Scores, _Booleans], float] = best_threshold,
) -> FoldAccuracy:
    """Answer each fold with the threshold that ``choose`` gives for the scores and the truth of all other folds.

    ``fold_P`` (P,) is the fold of each pair.
    """
    correct_P = np.zeros(len(scores_P), dtype=np.bool_)
    folds = np.unique(fold_P)
    for fold in folds:
        tested = fold_P == fold
        threshold = choose(scores_P[~tested], genuine_P[~tested])
        correct_P[tested] = correct_answers(scores_P[tested], genuine_P[tested], threshold)
    return FoldAccuracy(correct_P, np.array([correct_P[fold_P == fold].mean() for fold in folds]))
