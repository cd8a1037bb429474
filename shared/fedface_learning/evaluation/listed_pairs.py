"""What protocols that list pairs of images in folds have in common. P pairs, n pairs of one fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fedface_learning.evaluation.bootstrap import Multiplicities, draw_people, interval, resample_share
from fedface_learning.evaluation.compare import pair_scores
from fedface_learning.evaluation.faces import EmbeddedFaces
from fedface_learning.evaluation.figures import Figure
from fedface_learning.evaluation.fold_accuracy import fold_accuracy
from fedface_learning.evaluation.trials import NOBODY, People, Scores, Trials

FAR = (1e-1, 1e-2, 1e-3)


@dataclass(frozen=True)
class ListedPairs:
    """P pairs of faces, in folds."""

    first_P: npt.NDArray[np.intp]
    """The index of each pair's first face in the list of faces."""
    second_P: npt.NDArray[np.intp]
    """The index of each pair's second face in the list of faces."""
    genuine_P: npt.NDArray[np.bool_]
    """Whether both faces are of one person."""
    fold_P: npt.NDArray[np.intp]
    people_P2: People | None
    """The numbers of the two people; None if the protocol does not name them."""

    def scores(self, faces: EmbeddedFaces) -> Scores:
        """The cosine of each pair (P,); −∞ if one of the two faces has no embedding."""
        return pair_scores(faces, self.first_P, self.second_P)

    def fold(self, number: int) -> ListedPairs:
        """The pairs of one fold. Its people are numbered anew from 0, so that only people of the fold are resampled."""
        within = self.fold_P == number
        people_n2 = None
        if self.people_P2 is not None:
            people_n2 = np.unique(self.people_P2[within], return_inverse=True)[1].reshape(-1, 2)
        return ListedPairs(
            self.first_P[within], self.second_P[within], self.genuine_P[within], self.fold_P[within], people_n2
        )

    def trials(self, scores_P: Scores) -> Trials:
        """The pairs with their scores (P,), as genuine and impostor trials."""
        return Trials.of_pairs(scores_P, self.genuine_P, self.people_P2)

    def multiplicities(self, resamples: int) -> Multiplicities | None:
        """Draw resamples of the people; None if the people are unknown or ``resamples`` is 0."""
        if self.people_P2 is None or not resamples:
            return None
        return draw_people(int(self.people_P2.max()) + 1, resamples)

    def accuracy(self, scores_P: Scores, times: Multiplicities | None) -> Figure:
        """The mean over folds of the accuracy with LFW's thresholds, ± its standard error.

        For the interval people are resampled (``times``), while the folds' thresholds stay unchanged.
        """
        accuracy = fold_accuracy(scores_P, self.genuine_P, self.fold_P)
        bounds = None
        if times is not None:
            bounds = interval(resample_share(accuracy.correct_P, self.people_of_trials(), times))
        return Figure(accuracy.mean, accuracy.standard_error, bounds)

    def people_of_trials(self) -> People:
        """The people of each pair (P, 2); of a genuine pair the second is `NOBODY`, as in `trials.ScoredTrials`.

        The protocol must name its people.
        """
        assert self.people_P2 is not None, "the protocol must name its people"
        people_P2 = self.people_P2.copy()
        people_P2[self.genuine_P, 1] = NOBODY
        return people_P2

    def counts(self, faces: EmbeddedFaces, scores_P: Scores) -> Mapping[str, int]:
        """The numbers of images and pairs, and of those that are missing, by name."""
        return {
            "images": len(faces.enrolled_N),
            "missing images": int(np.sum(~faces.enrolled_N)),
            "genuine pairs": int(np.sum(self.genuine_P)),
            "impostor pairs": int(np.sum(~self.genuine_P)),
            "pairs with a missing image": int(np.sum(np.isneginf(scores_P))),
        }


def same_sized_folds(pairs: int, folds: int) -> npt.NDArray[np.intp]:
    """The fold of each pair (P,): consecutive pairs in folds of equal size; if that is impossible, the first are larger."""
    sizes = [len(part) for part in np.array_split(np.arange(pairs), folds)]
    return np.repeat(np.arange(folds), sizes)


def index_names(names: Sequence[str]) -> Mapping[str, int]:
    """Name → number from 0, in the order in which different names appear."""
    return {name: number for number, name in enumerate(dict.fromkeys(names))}
