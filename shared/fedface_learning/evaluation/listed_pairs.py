"""Protocols that list pairs of images, in folds: what they have in common. P pairs, N images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fedface_learning.evaluation.bootstrap import Multiplicities, draw_people
from fedface_learning.evaluation.compare import pair_scores
from fedface_learning.evaluation.faces import EmbeddedFaces
from fedface_learning.evaluation.trials import NOBODY, People, Scores, Trials

FAR = (1e-1, 1e-2, 1e-3)


@dataclass(frozen=True)
class ListedPairs:
    """Pairs of places in a list of faces (P,), whether each is genuine, and its fold.

    ``people_P2`` are the identities of the two images; None where the protocol does not name them.
    """

    first_P: npt.NDArray[np.intp]
    second_P: npt.NDArray[np.intp]
    genuine_P: npt.NDArray[np.bool_]
    fold_P: npt.NDArray[np.intp]
    people_P2: People | None

    def scores(self, faces: EmbeddedFaces) -> Scores:
        """The cosine of each pair."""
        return pair_scores(faces, self.first_P, self.second_P)

    def fold(self, number: int) -> ListedPairs:
        """The pairs of one fold, whose people are numbered anew: those of other folds are not there to be drawn."""
        within = self.fold_P == number
        people_n2 = None
        if self.people_P2 is not None:
            people_n2 = np.unique(self.people_P2[within], return_inverse=True)[1].reshape(-1, 2)
        return ListedPairs(
            self.first_P[within], self.second_P[within], self.genuine_P[within], self.fold_P[within], people_n2
        )

    def trials(self, scores_P: Scores) -> Trials:
        """The scored pairs, as `Trials`."""
        return Trials.of_pairs(scores_P, self.genuine_P, self.people_P2)

    def multiplicities(self, resamples: int) -> Multiplicities | None:
        """Resamples of the people; None where they are not known, or none are asked for."""
        if self.people_P2 is None or not resamples:
            return None
        return draw_people(int(self.people_P2.max()) + 1, resamples)

    def involved(self) -> People:
        """Who is involved in each pair, as `trials.ScoredTrials.people` has it."""
        assert self.people_P2 is not None, "asked for only where the protocol names its people"
        people_P2 = self.people_P2.copy()
        people_P2[self.genuine_P, 1] = NOBODY
        return people_P2

    def counts(self, faces: EmbeddedFaces, scores_P: Scores) -> Mapping[str, int]:
        """How much there was to compare, and how much of it was not there."""
        return {
            "images": len(faces.enrolled_N),
            "missing images": int(np.sum(~faces.enrolled_N)),
            "genuine pairs": int(np.sum(self.genuine_P)),
            "impostor pairs": int(np.sum(~self.genuine_P)),
            "pairs with a missing image": int(np.sum(np.isneginf(scores_P))),
        }


def same_sized_folds(pairs: int, folds: int) -> npt.NDArray[np.intp]:
    """Folds of consecutive pairs; where they cannot be equal, the first are one longer."""
    sizes = [len(part) for part in np.array_split(np.arange(pairs), folds)]
    return np.repeat(np.arange(folds), sizes)


def numbered(names: Sequence[str]) -> Mapping[str, int]:
    """Each name's place among the different ones, in order of appearance."""
    return {name: place for place, name in enumerate(dict.fromkeys(names))}
