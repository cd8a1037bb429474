from __future__ import annotations

from fedface_console.curves import curves_of, overlaid
from fedface_core.contracts.http import RoundView
from fedface_core.domain.round import RoundPhase
from support.api_answers import NOW
from support.api_by_hand import scores_of


def scored(number: int) -> RoundView:
    return RoundView(
        number=number,
        phase=RoundPhase.FINISHED,
        invited=4,
        accepted=3,
        failed={"client-000001": "it crashed"},
        opened_at=NOW,
        deadline_at=NOW,
        closed_at=None,
        finished_at=None,
        model_sha256="0" * 64,
        aggregation=None,
        scores=scores_of(number),
    )


def test_a_run_has_a_chart_for_each_figure_that_it_has() -> None:
    curves = curves_of([scored(0), scored(1)])
    assert curves.rounds == [0, 1]
    lines = {chart.id: [line.label for line in chart.lines] for chart in curves.charts}
    assert lines["tar"] == ["TAR@1e-1", "TAR@1e-2", "TAR@1e-3"]  # 1e-4 is unresolved
    assert lines["clients"] == ["invited", "accepted", "failed"]
    assert "losses" not in lines  # nothing was averaged
    tar = curves.charts[0]
    assert tar.lines[0].values == [0.8, 0.81]


def test_a_round_without_scores_leaves_a_gap() -> None:
    gap = scored(1).model_copy(update={"scores": None})
    auc = next(chart for chart in curves_of([scored(0), gap, scored(2)]).charts if chart.id == "auc")
    assert [value is None for value in auc.lines[0].values] == [False, True, False]


def test_runs_lie_over_each_other_on_all_their_rounds() -> None:
    curves = overlaid({"a": [scored(0), scored(1)], "b": [scored(1), scored(2)]})
    assert curves.rounds == [0, 1, 2]
    auc = next(chart for chart in curves.charts if chart.title == "AUC")
    assert [line.label for line in auc.lines] == ["a", "b"]
    assert [value is None for value in auc.lines[0].values] == [False, False, True]
    assert len({chart.id for chart in curves.charts}) == len(curves.charts)
    assert {"TAR@1e-1", "Mean cosines: genuine pairs"} <= {chart.title for chart in curves.charts}


def test_of_no_round_nothing_is_drawn() -> None:
    assert curves_of([]).charts == []
    assert overlaid({"a": [], "b": []}).charts == []
