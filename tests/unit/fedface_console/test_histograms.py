"""What the browser draws of a round's cosines: densities, and thresholds."""

from __future__ import annotations

import pytest

from fedface_console.histograms import accepted_from, histograms_of
from fedface_core.domain.results import RocCurve, VerificationReport
from support.api_answers import RUN
from support.api_by_hand import cosines_of, scores_of

OLD = VerificationReport(run_id=RUN, round=1, model_sha256="a" * 64, scores=scores_of(1), roc=RocCurve(far=[], tar=[]))


def test_each_histogram_has_an_area_of_one() -> None:
    drawn = histograms_of(OLD.model_copy(update={"cosines": cosines_of(1), "thresholds": {"1e-1": 0.2, "1e-4": None}}))
    assert (drawn.cosines[0], drawn.cosines[100], len(drawn.cosines)) == (-1.0, 0.0, 200)
    assert sum(drawn.genuine) / 100 == pytest.approx(1.0)
    assert sum(drawn.impostor) / 100 == pytest.approx(1.0)
    assert drawn.cosines[drawn.genuine.index(max(drawn.genuine))] == pytest.approx(0.7)
    assert [(one.far, one.cosine) for one in drawn.thresholds] == [("1e-1", 0.2)]


def test_a_report_of_an_earlier_version_has_nothing_to_draw() -> None:
    drawn = histograms_of(OLD)
    assert (drawn.cosines, drawn.genuine, drawn.impostor, drawn.thresholds) == ([], [], [], [])
    assert accepted_from(OLD) == []
