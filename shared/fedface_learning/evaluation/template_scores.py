"""1:1 verification and 1:N search over templates, which IJB-A, IJB-B and IJB-C share: from embeddings to figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fedface_core.domain.results import CosineCounts
from fedface_learning.evaluation.bootstrap import Multiplicities, resample_share
from fedface_learning.evaluation.compare import pair_scores
from fedface_learning.evaluation.cosine_counts import summed
from fedface_learning.evaluation.faces import EmbeddedFaces
from fedface_learning.evaluation.figures import Figure, mean_figure, rate_figures
from fedface_learning.evaluation.search import SearchResult, search
from fedface_learning.evaluation.templates import TemplateRows, pool_templates
from fedface_learning.evaluation.trials import Trials

FPIR = (1e-1, 1e-2)
RANKS = (1, 5, 10)
_Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Comparisons:
    """A 1:1 task: P pairs of T templates."""

    rows: TemplateRows
    """The faces of the templates."""
    person_T: _Indices | None
    """The person of each template; None if unknown."""
    first_P: _Indices
    """The index of each pair's first template."""
    second_P: _Indices
    """The index of each pair's second template."""
    genuine_P: npt.NDArray[np.bool_]
    """Whether both templates are of one person."""

    def score(self, faces: EmbeddedFaces) -> tuple[Trials, EmbeddedFaces]:
        """Pool the templates from embedded faces and score all pairs. Returns the trials, and the pooled templates."""
        templates = pool_templates(faces, self.rows)
        scores_P = pair_scores(templates, self.first_P, self.second_P)
        people_P2 = None
        if self.person_T is not None:
            people_P2 = np.stack([self.person_T[self.first_P], self.person_T[self.second_P]], axis=1)
        return Trials.of_pairs(scores_P, self.genuine_P, people_P2), templates


@dataclass(frozen=True)
class Searches:
    """A 1:N task: P probes, which are searched in a gallery of G templates, all among T templates."""

    rows: TemplateRows
    """The faces of the templates."""
    person_T: _Indices
    """The person of each template."""
    gallery_G: _Indices
    """The indices of the templates in the gallery."""
    probes_P: _Indices
    """The indices of the probes' templates."""

    def score(self, faces: EmbeddedFaces) -> tuple[SearchResult, EmbeddedFaces]:
        """Pool the templates from embedded faces and search all probes. Returns the result, and the pooled templates."""
        templates = pool_templates(faces, self.rows)
        return search(templates, self.gallery_G, self.probes_P, self.person_T), templates


def template_figures(
    comparisons: Sequence[Comparisons],
    searches: Sequence[Searches],
    faces: EmbeddedFaces,
    far: Sequence[float],
    times: Multiplicities | None,
) -> tuple[Mapping[str, Figure], Mapping[str, int], CosineCounts | None]:
    """Figures and counts by name, of the 1:1 and the 1:N task, or of one if the other has no parts; and the histograms of
    the 1:1 task, None without one.

    ``times`` are the resamples of people; None leaves intervals out.
    """
    figures = dict[str, Figure]()
    counts = {"images": len(faces.enrolled_N), "missing images": int(np.sum(~faces.enrolled_N))}
    cosines = None
    if comparisons:
        verification_figures, verification_counts, cosines = verification(comparisons, faces, far, times)
        figures |= verification_figures
        counts |= verification_counts
    if searches:
        identification_figures, identification_counts = identification(searches, faces, times)
        figures |= identification_figures
        counts |= identification_counts
    return figures, counts, cosines


def verification(
    parts: Sequence[Comparisons], faces: EmbeddedFaces, far: Sequence[float], times: Multiplicities | None
) -> tuple[Mapping[str, Figure], Mapping[str, int], CosineCounts]:
    """1:1: TAR at each rate in ``far`` as the mean over ``parts``, by name; counts by name and histograms as their sums."""
    scored = [part.score(faces) for part in parts]
    trials = [part_trials for part_trials, _ in scored]
    counts = {
        "1:1 templates": sum(len(templates.enrolled_N) for _, templates in scored),
        "1:1 templates that failed to enrol": sum(int(np.sum(~templates.enrolled_N)) for _, templates in scored),
        "genuine pairs": sum(len(part_trials.positives.scores) for part_trials in trials),
        "impostor pairs": sum(len(part_trials.negatives.scores) for part_trials in trials),
    }
    cosines = summed([part_trials.cosines() for part_trials in trials])
    return rate_figures("1:1 TAR at FAR", trials, far, times), counts, cosines


def identification(
    parts: Sequence[Searches], faces: EmbeddedFaces, times: Multiplicities | None
) -> tuple[Mapping[str, Figure], Mapping[str, int]]:
    """1:N: TPIR at FPIR and rank k as the mean over ``parts``, and counts as sums over ``parts``, by name."""
    scored = [part.score(faces) for part in parts]
    results = [result for result, _ in scored]
    figures = rate_figures("1:N TPIR at FPIR", [result.trials for result in results], FPIR, times)
    for rank in RANKS:
        found = [result.found_within(rank) for result in results]
        resampled = None
        if times is not None:
            people = [result.mated_people_n2 for result in results]
            resampled = [resample_share(found_n, people_n2, times) for found_n, people_n2 in zip(found, people, strict=True)]
        shares = [float(found_n.mean()) if len(found_n) else None for found_n in found]
        figures[f"1:N rank {rank}"] = mean_figure(shares, resampled)
    counts = {
        "1:N templates": sum(len(part.gallery_G) + len(part.probes_P) for part in parts),
        "1:N templates that failed to enrol": sum(
            int(np.sum(~templates.enrolled_N[np.concatenate([part.gallery_G, part.probes_P])]))
            for part, (_, templates) in zip(parts, scored, strict=True)
        ),
        "mated probes": sum(len(result.rank_n) for result in results),
        "non-mated probes": sum(len(result.trials.negatives.scores) for result in results),
    }
    return figures, counts
