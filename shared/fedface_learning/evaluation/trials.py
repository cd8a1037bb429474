"""Trials: positives and negatives with their scores, and the share of positives that a threshold accepts.

Verification (TAR at FAR, genuine and impostor pairs) and search (TPIR at FPIR, mated and non-mated probes) use one
definition. P trials, n trials of one kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import torch

from fedface_core.domain.results import CosineCounts
from fedface_learning.evaluation.cosine_counts import CosineCounter
from fedface_learning.evaluation.verification import allowed_false_accepts

Scores = npt.NDArray[np.floating]
People = npt.NDArray[np.intp]
"""The numbers of the two people of each trial (n, 2)."""
NOBODY = -1
"""The second person of a trial that has one person."""


@dataclass(frozen=True)
class ScoredTrials:
    """The scores of n trials of one kind."""

    scores: Scores
    """The scores (n,), highest first; −∞ if an image or template failed to enrol."""
    people: People | None
    """The people of each trial (n, 2), `NOBODY` as the second if there is one person; None if the people are unknown."""

    @classmethod
    def of(cls, scores_n: Scores, people_n2: People | None) -> Self:
        """Sort the scores (n,) of trials, and their people (n, 2)."""
        order = np.argsort(-scores_n, kind="stable")
        return cls(scores_n[order], None if people_n2 is None else people_n2[order])


@dataclass(frozen=True)
class Trials:
    """Positive trials, which should be accepted, and negative trials, which should not."""

    positives: ScoredTrials
    negatives: ScoredTrials

    @classmethod
    def of_pairs(cls, scores_P: Scores, genuine_P: npt.NDArray[np.bool_], people_P2: People | None) -> Self:
        """The trials of pairs: genuine pairs, of one person, are positives; impostor pairs, of two people, are negatives.

        ``people_P2`` are the people of both images; None if unknown.
        """
        if people_P2 is None:
            return cls(ScoredTrials.of(scores_P[genuine_P], None), ScoredTrials.of(scores_P[~genuine_P], None))
        genuine_n2 = people_P2[genuine_P].copy()
        genuine_n2[:, 1] = NOBODY
        return cls(
            ScoredTrials.of(scores_P[genuine_P], genuine_n2), ScoredTrials.of(scores_P[~genuine_P], people_P2[~genuine_P])
        )

    @property
    def names_people(self) -> bool:
        """Whether the people of all trials are known, so that people can be resampled."""
        return self.positives.people is not None and self.negatives.people is not None

    def auc(self) -> float:
        """The probability that a positive has a higher score than a negative; equal scores count half.

        Trials that failed to enrol (−∞) are equal to each other. There must be positives and negatives.
        """
        negatives = np.sort(self.negatives.scores)
        below = np.searchsorted(negatives, self.positives.scores, side="left").mean()
        at_or_below = np.searchsorted(negatives, self.positives.scores, side="right").mean()
        return float((below + at_or_below) / 2 / len(negatives))

    def eer(self) -> float:
        """The FAR of the point at which FAR = 1 − TAR on the ROC curve, which is linear between its points.

        The curve has a point for each score, and ends with all trials accepted. There must be positives and negatives.
        """
        thresholds = np.unique(np.concatenate([self.positives.scores, self.negatives.scores]))[::-1]
        tar, far = (
            np.concatenate([[0.0], 1 - np.searchsorted(kind.scores[::-1], thresholds, side="left") / len(kind.scores)])
            for kind in (self.positives, self.negatives)
        )
        return float(np.interp(1.0, far + tar, far))

    def cosines(self) -> CosineCounts:
        """The histograms of the scores, which must be cosines. Trials that failed to enrol (−∞) are left out."""
        counter = CosineCounter()
        kinds = (self.positives, self.negatives)
        counter.count(*(torch.from_numpy(kind.scores[np.isfinite(kind.scores)]) for kind in kinds))
        return counter.counts

    def accepted_at(self, rate: float) -> float | None:
        """TAR at FAR ``rate``, or TPIR at FPIR ``rate``.

        This is the largest share of positives that a threshold ``score ≥ t`` accepts, if it accepts at most ``rate`` times
        the number of negatives. None if that is less than one negative, or if there are no positives.
        """
        allowed = allowed_false_accepts(rate, len(self.negatives.scores))
        if not allowed or not len(self.positives.scores):
            return None
        # The best threshold lies just above the first negative that must not be accepted.
        refused = self.negatives.scores[allowed]
        return float(np.mean(self.positives.scores > refused))
