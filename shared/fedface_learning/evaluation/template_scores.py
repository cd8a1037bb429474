"""1:1 and 1:N over templates: from pooled templates to figures. What IJB-A, IJB-B and IJB-C have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fedface_learning.evaluation.bootstrap import Multiplicities, resample_share
from fedface_learning.evaluation.compare import pair_scores
from fedface_learning.evaluation.faces import EmbeddedFaces
from fedface_learning.evaluation.figures import Figure, mean_figure, rate_figures
from fedface_learning.evaluation.search import Searched, search
from fedface_learning.evaluation.templates import TemplateRows, pool_templates
from fedface_learning.evaluation.trials import Trials

FPIR = (1e-1, 1e-2)
RANKS = (1, 5, 10)
_Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Comparisons:
    """1:1: pairs of templates (P,), by place, and whether each is genuine; people (T,) are None where not known."""

    rows: TemplateRows
    person_T: _Indices | None
    first_P: _Indices
    second_P: _Indices
    genuine_P: npt.NDArray[np.bool_]

    def trials(self, faces: EmbeddedFaces) -> tuple[Trials, EmbeddedFaces]:
        """The scored pairs, and the templates that they are of."""
        templates = pool_templates(faces, self.rows)
        scores_P = pair_scores(templates, self.first_P, self.second_P)
        people_P2 = None
        if self.person_T is not None:
            people_P2 = np.stack([self.person_T[self.first_P], self.person_T[self.second_P]], axis=1)
        return Trials.of_pairs(scores_P, self.genuine_P, people_P2), templates


@dataclass(frozen=True)
class Search:
    """1:N: the gallery (G,) and the probes (P,), by place among the templates, whose people are known (T,)."""

    rows: TemplateRows
    person_T: _Indices
    gallery_G: _Indices
    probes_P: _Indices

    def searched(self, faces: EmbeddedFaces) -> tuple[Searched, EmbeddedFaces]:
        """Every probe searched, and the templates."""
        templates = pool_templates(faces, self.rows)
        return search(templates, self.gallery_G, self.probes_P, self.person_T), templates


def template_figures(
    comparisons: Sequence[Comparisons],
    searches: Sequence[Search],
    faces: EmbeddedFaces,
    far: Sequence[float],
    times: Multiplicities | None,
) -> tuple[Mapping[str, Figure], Mapping[str, int]]:
    """The figures of both tasks, or of the one that there is; and the counts, of the images first."""
    figures = dict[str, Figure]()
    counts = {"images": len(faces.enrolled_N), "missing images": int(np.sum(~faces.enrolled_N))}
    if comparisons:
        found, counted = verification(comparisons, faces, far, times)
        figures, counts = {**figures, **found}, {**counts, **counted}
    if searches:
        found, counted = identification(searches, faces, times)
        figures, counts = {**figures, **found}, {**counts, **counted}
    return figures, counts


def verification(
    parts: Sequence[Comparisons], faces: EmbeddedFaces, far: Sequence[float], times: Multiplicities | None
) -> tuple[Mapping[str, Figure], Mapping[str, int]]:
    """TAR at FAR, the mean over ``parts``; and the counts over all of them."""
    scored = [part.trials(faces) for part in parts]
    trials = [each for each, _ in scored]
    counts = {
        "1:1 templates": sum(len(templates.enrolled_N) for _, templates in scored),
        "1:1 templates that failed to enrol": sum(int(np.sum(~templates.enrolled_N)) for _, templates in scored),
        "genuine pairs": sum(len(each.positives.scores) for each in trials),
        "impostor pairs": sum(len(each.negatives.scores) for each in trials),
    }
    return rate_figures("1:1 TAR at FAR", trials, far, times), counts


def identification(
    parts: Sequence[Search], faces: EmbeddedFaces, times: Multiplicities | None
) -> tuple[Mapping[str, Figure], Mapping[str, int]]:
    """TPIR at FPIR and rank-k, the mean over ``parts``; and the counts over all of them."""
    scored = [part.searched(faces) for part in parts]
    searched = [each for each, _ in scored]
    figures = rate_figures("1:N TPIR at FPIR", [each.trials for each in searched], FPIR, times)
    for rank in RANKS:
        marks = [each.found_within(rank) for each in searched]
        resampled = None
        if times is not None:
            people = [each.mated_people_n2 for each in searched]
            resampled = [resample_share(found, who, times) for found, who in zip(marks, people, strict=True)]
        shares = [float(found.mean()) if len(found) else None for found in marks]
        figures[f"1:N rank {rank}"] = mean_figure(shares, resampled)
    counts = {
        "1:N templates": sum(len(part.gallery_G) + len(part.probes_P) for part in parts),
        "1:N templates that failed to enrol": sum(
            int(np.sum(~templates.enrolled_N[np.concatenate([part.gallery_G, part.probes_P])]))
            for part, (_, templates) in zip(parts, scored, strict=True)
        ),
        "mated probes": sum(len(each.rank_n) for each in searched),
        "non-mated probes": sum(len(each.trials.negatives.scores) for each in searched),
    }
    return figures, counts
