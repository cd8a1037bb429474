"""1:N search: is a probe's person in the gallery, and who is it? P probes, G gallery templates of S people, T templates.

A probe is *mated* if its person is in the gallery. *TPIR at FPIR x* is the largest share of mated probes whose person scores
at or above a threshold that at most a share x of the non-mated probes reaches with anybody; the candidate list is as long as
the gallery. *Rank k* is the share of mated probes whose person is among the k best; people with equal scores count as
better. n mated probes, B probes in a block, D dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fedface_learning.device import full_product, indices_on, moved
from fedface_learning.evaluation.faces import EmbeddedFaces
from fedface_learning.evaluation.trials import NOBODY, People, ScoredTrials, Trials

COSINES_PER_BLOCK = 1 << 22
"""How many cosines of probes with the gallery are in memory at once, unless the gallery is larger."""
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
    gallery = _Gallery.of(templates, gallery_G, person_of_G, len(people_S))
    scores_P = np.empty(len(probes_P))
    rank_P = np.empty(len(probes_P))
    probe_person_P = person_T[probes_P]
    mated_P = np.isin(probe_person_P, people_S)
    mate_P = np.where(mated_P, np.searchsorted(people_S, probe_person_P), 0)
    block_size = max(1, COSINES_PER_BLOCK // len(gallery_G))
    for start in range(0, len(probes_P), block_size):
        block = slice(start, start + block_size)
        mated_B = mated_P[block]
        scores_BS = gallery.scores(templates, probes_P[block])
        own_B1 = scores_BS.gather(1, indices_on(scores_BS.device, mate_P[block]).unsqueeze(1))
        rank_B = (scores_BS >= own_B1).sum(dim=1)
        found_3B = torch.stack([own_B1.squeeze(1), scores_BS.amax(dim=1), rank_B.double()]).cpu().numpy()
        rank_P[block] = np.where(found_3B[0] == -np.inf, np.inf, found_3B[2])
        scores_P[block] = np.where(mated_B, found_3B[0], found_3B[1])
    people_P2 = np.stack([probe_person_P, np.full_like(probe_person_P, NOBODY)], axis=1)
    trials = Trials(
        ScoredTrials.of(scores_P[mated_P], people_P2[mated_P]), ScoredTrials.of(scores_P[~mated_P], people_P2[~mated_P])
    )
    return SearchResult(trials, rank_P[mated_P], people_P2[mated_P])


@dataclass(frozen=True)
class _Gallery:
    """The gallery, where the embeddings are."""

    embeddings_GD: Tensor
    missing_G: Tensor
    """Which templates have failed to enrol."""
    person_of_G: Tensor
    """The place of each template's person among the people."""
    people: int

    @classmethod
    def of(cls, templates: EmbeddedFaces, gallery_G: _Indices, person_of_G: _Indices, people: int) -> Self:
        device = templates.embeddings_ND.device
        embeddings_GD = templates.embeddings_ND.index_select(0, indices_on(device, gallery_G))
        missing_G = moved(torch.tensor(~templates.enrolled_N[gallery_G]), device)
        return cls(embeddings_GD, missing_G, indices_on(device, person_of_G), people)

    def scores(self, templates: EmbeddedFaces, probes_B: _Indices) -> Tensor:
        """The score of each person with each probe (B, S), float32."""
        device = self.embeddings_GD.device
        embeddings_BD = templates.embeddings_ND.index_select(0, indices_on(device, probes_B))
        scores_BG = full_product(embeddings_BD, self.embeddings_GD.T)
        missing_B = moved(torch.tensor(~templates.enrolled_N[probes_B]), device)
        scores_BG.masked_fill_(self.missing_G | missing_B.unsqueeze(1), -torch.inf)
        best_BS = scores_BG.new_full((len(scores_BG), self.people), -torch.inf)
        return best_BS.scatter_reduce_(1, self.person_of_G.expand_as(scores_BG), scores_BG, "amax")
