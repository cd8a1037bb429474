"""Positives and negatives, and the share of positives accepted where few negatives are.

One definition serves verification (TAR at FAR: genuine and impostor pairs) and search (TPIR at FPIR: mated and non-mated
probes). P trials, of which n are of one kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from fedface_learning.evaluation.verification import allowed_false_accepts

Scores = npt.NDArray[np.floating]
People = npt.NDArray[np.intp]
NOBODY = -1  # stands in the second place where a trial involves one identity


@dataclass(frozen=True)
class ScoredTrials:
    """Scores of one kind of trial (n,), highest first; −∞ where an image or template failed to enrol.

    ``people`` (n, 2) are the identities that a trial involves, `NOBODY` in the second place where it is but one; None where
    the protocol does not name them.
    """

    scores: Scores
    people: People | None

    @classmethod
    def of(cls, scores_n: Scores, people_n2: People | None) -> Self:
        """Put them in order."""
        order = np.argsort(-scores_n, kind="stable")
        return cls(scores_n[order], None if people_n2 is None else people_n2[order])


@dataclass(frozen=True)
class Trials:
    """What should be accepted, and what should not."""

    positives: ScoredTrials
    negatives: ScoredTrials

    @classmethod
    def of_pairs(cls, scores_P: Scores, genuine_P: npt.NDArray[np.bool_], people_P2: People | None) -> Self:
        """Verification: genuine pairs are of one identity, impostor pairs of two."""
        if people_P2 is None:
            return cls(ScoredTrials.of(scores_P[genuine_P], None), ScoredTrials.of(scores_P[~genuine_P], None))
        genuine_n2 = people_P2[genuine_P].copy()
        genuine_n2[:, 1] = NOBODY
        return cls(
            ScoredTrials.of(scores_P[genuine_P], genuine_n2), ScoredTrials.of(scores_P[~genuine_P], people_P2[~genuine_P])
        )

    @property
    def names_people(self) -> bool:
        """Whether the identities are known, so that they can be resampled."""
        return self.positives.people is not None and self.negatives.people is not None

    def accepted_at(self, rate: float) -> float | None:
        """TAR at a FAR of ``rate``, or TPIR at such an FPIR.

        The largest share of positives that a threshold ``score ≥ t`` accepts which accepts at most ``rate · negatives``
        negatives. None where that is less than one negative, too few to resolve the rate, or where there are no positives.
        """
        allowed = allowed_false_accepts(rate, len(self.negatives.scores))
        if not allowed or not len(self.positives.scores):
            return None
        # The best threshold lies just above the first negative that must not be accepted.
        refused = self.negatives.scores[allowed]
        return float(np.mean(self.positives.scores > refused))
