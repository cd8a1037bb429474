"""What the browser draws of a round's cosines: densities, and thresholds."""

from __future__ import annotations

import pytest

from fedface_console.histograms import accepted_from, histograms_of
from fedface_core.domain.results import CosineCounts, RocCurve, VerificationReport
from support.api_answers import RUN
from support.api_by_hand import cosines_of, scores_of

OLD = VerificationReport(run_id=RUN, round=1, model_sha256="a" * 64, scores=scores_of(1), roc=RocCurve(far=[], tar=[]))


def counts_of(genuine: int, impostor: int, bins: int = 200) -> CosineCounts:
    """All genuine pairs at a cosine of 0.7, all impostor pairs at 0.1."""
    at = {round(0.85 * bins): genuine, round(0.55 * bins): 0}
    other = {round(0.55 * bins): impostor}
    return CosineCounts(
        genuine=[at.get(place, 0) for place in range(bins)], impostor=[other.get(place, 0) for place in range(bins)]
    )


@pytest.mark.parametrize(
    ("genuine", "bins", "drawn_bins"), [(100, 200, 40), (900, 200, 100), (5000, 200, 200), (100, 7, 7), (0, 200, 40)]
)
def test_each_histogram_has_an_area_of_one_in_bins_that_hold_enough(genuine: int, bins: int, drawn_bins: int) -> None:
    drawn = histograms_of(OLD.model_copy(update={"cosines": counts_of(genuine, 19_000, bins)}))
    assert len(drawn.cosines) == len(drawn.genuine) == len(drawn.impostor) == drawn_bins
    assert drawn.cosines[0] == -1.0
    width = 2 / drawn_bins
    assert sum(drawn.genuine) * width == pytest.approx(1.0 if genuine else 0.0)
    assert sum(drawn.impostor) * width == pytest.approx(1.0)
    assert drawn.cosines[drawn.impostor.index(max(drawn.impostor))] <= 0.15


def test_rounds_of_one_run_are_drawn_alike_and_thresholds_are_those_that_there_are() -> None:
    drawn = histograms_of(OLD.model_copy(update={"cosines": cosines_of(1), "thresholds": {"1e-1": 0.2, "1e-4": None}}))
    assert drawn.cosines == histograms_of(OLD.model_copy(update={"cosines": cosines_of(2)})).cosines
    assert drawn.cosines[drawn.genuine.index(max(drawn.genuine))] == pytest.approx(0.7)
    assert [(one.far, one.cosine) for one in drawn.thresholds] == [("1e-1", 0.2)]


def test_a_report_of_an_earlier_version_has_nothing_to_draw() -> None:
    drawn = histograms_of(OLD)
    assert (drawn.cosines, drawn.genuine, drawn.impostor, drawn.thresholds) == ([], [], [], [])
    assert accepted_from(OLD) == []
