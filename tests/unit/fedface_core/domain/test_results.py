"""Figures are numbers, and reports, metrics and tables name a false accept rate in one way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fedface_core.domain.results import CosineCounts, RocCurve, Scores, VerificationReport, far_label
from support.api_by_hand import scores_of


@pytest.mark.parametrize(
    ("far", "label"),
    [(0.1, "1e-1"), (0.01, "1e-2"), (1e-3, "1e-3"), (1e-4, "1e-4"), (0.05, "5e-2"), (0.5, "5e-1"), (2.5e-5, "2.5e-5")],
)
def test_a_false_accept_rate_is_named_as_in_tables(far: float, label: str) -> None:
    assert far_label(far) == label


@given(st.floats(1e-6, 0.999))
def test_a_label_reads_back_as_its_rate(far: float) -> None:
    assert float(far_label(far)) == pytest.approx(far, rel=1e-5)


@pytest.mark.parametrize("field", ["auc", "eer", "mean_genuine_cosine", "mean_impostor_cosine"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_scores_are_finite_or_unresolved(field: str, value: float) -> None:
    scores = {"tar": {"1e-1": None}, "auc": 0.5, "eer": 0.5, "genuine_pairs": 1, "impostor_pairs": 1}
    scores |= {"mean_genuine_cosine": 0.0, "mean_impostor_cosine": 0.0}
    assert Scores.model_validate(scores).tar["1e-1"] is None
    for broken in (scores | {field: value}, scores | {"tar": {"1e-1": value}}):
        with pytest.raises(ValidationError, match="finite number"):
            Scores.model_validate(broken)


def test_a_report_of_an_earlier_version_is_read_and_stays_as_it_is() -> None:
    roc = RocCurve(far=[0.0, 1.0], tar=[0.0, 1.0])
    old = VerificationReport(run_id="run-0123456789ab", round=1, model_sha256="a" * 64, scores=scores_of(1), roc=roc)
    written = old.model_dump_json()
    assert "cosines" not in old.model_dump()
    assert "thresholds" not in old.model_dump()
    assert VerificationReport.model_validate_json(written).model_dump_json() == written


@pytest.mark.parametrize(
    ("genuine", "impostor"), [([], []), ([1], [1, 2]), ([-1], [0]), ([0] * 1001, [0] * 1001), ([2**63], [0])]
)
def test_histograms_have_the_same_few_bins(genuine: list[int], impostor: list[int]) -> None:
    with pytest.raises(ValidationError):
        CosineCounts(genuine=genuine, impostor=impostor)
