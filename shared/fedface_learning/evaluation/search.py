"""1:N search: is a probe's person in the gallery, and who is it? P probes, G gallery templates of S people, T templates.

A probe is *mated* if its person is in the gallery. *TPIR at FPIR x* is the largest share of mated probes whose person scores
at or above a threshold that at most a share x of the non-mated probes reaches with anybody; the candidate list is as long as
the gallery. *Rank k* is the share of mated probes whose person is among the k best; people with equal scores count as
better. n mated probes, B probes in a block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fedface_learning.evaluation.faces import EmbeddedFaces
from fedface_learning.evaluation.trials import NOBODY, People, ScoredTrials, Trials

_BLOCK = 1024  # probes whose cosines with the gallery are in memory at once
_Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class SearchResult:
    """The result of an open-set search."""

    trials: Trials
    """Mated probes as positives, non-mated probes as negatives."""
    rank_n: npt.NDArray[np.float64]
    """The rank of each mated probe's person; ∞ if the probe or the person failed to enrol."""
    mated_people_n2: People
    """The person of each mated probe, and `NOBODY`."""

    def found_within(self, rank: int) -> npt.NDArray[np.bool_]:
        """Which mated probes (n,) have their person among the ``rank`` best."""
        return self.rank_n <= rank


def search(templates: EmbeddedFaces, gallery_G: _Indices, probes_P: _Indices, person_T: _Indices) -> SearchResult:
    """Search each probe in the gallery.

    ``gallery_G`` and ``probes_P`` are indices of templates, and ``person_T`` is the person of each template. The score of a
    person with several templates in the gallery is the best of their scores.
    """
    people_S, person_of_G = np.unique(person_T[gallery_G], return_inverse=True)
    scores_P = np.empty(len(probes_P))
    rank_P = np.empty(len(probes_P))
    probe_person_P = person_T[probes_P]
    mate_P = np.searchsorted(people_S, probe_person_P)
    mated_P = np.isin(probe_person_P, people_S)
    for start in range(0, len(probes_P), _BLOCK):
        block = slice(start, start + _BLOCK)
        scores_BS = _scores(templates, gallery_G, person_of_G, len(people_S), probes_P[block])
        mated_B = mated_P[block]
        own_B = scores_BS[np.arange(len(scores_BS)), np.where(mated_B, mate_P[block], 0)]
        rank_P[block] = np.where(own_B == -np.inf, np.inf, (scores_BS >= own_B[:, None]).sum(axis=1))
        scores_P[block] = np.where(mated_B, own_B, scores_BS.max(axis=1))
    people_P2 = np.stack([probe_person_P, np.full_like(probe_person_P, NOBODY)], axis=1)
    trials = Trials(
        ScoredTrials.of(scores_P[mated_P], people_P2[mated_P]), ScoredTrials.of(scores_P[~mated_P], people_P2[~mated_P])
    )
    return SearchResult(trials, rank_P[mated_P], people_P2[mated_P])


def _scores(
    templates: EmbeddedFaces, gallery_G: _Indices, person_of_G: _Indices, people: int, probes_B: _Indices
) -> npt.NDArray[np.float32]:
    """The score of each person in the gallery with each probe (B, S)."""
    scores_BG = templates.embeddings_ND[probes_B] @ templates.embeddings_ND[gallery_G].T
    scores_BG[:, ~templates.enrolled_N[gallery_G]] = -np.inf
    scores_BG[~templates.enrolled_N[probes_B]] = -np.inf
    best_SB = np.full((people, len(probes_B)), -np.inf, dtype=np.float32)
    np.maximum.at(best_SB, person_of_G, scores_BG.T)
    return best_SB.T
