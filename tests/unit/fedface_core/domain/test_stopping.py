"""When a run is complete."""

from __future__ import annotations

from typing import Any

import pytest

from fedface_core.domain.plan.stopping import StopPlan
from fedface_core.domain.results import Scores
from fedface_core.domain.stopping import reason_to_stop


def scored(*rates: float | None) -> list[Scores]:
    common = {"auc": 0.5, "eer": 0.5, "genuine_pairs": 1, "impostor_pairs": 1}
    cosines = {"mean_genuine_cosine": 0.0, "mean_impostor_cosine": 0.0}
    return [Scores.model_validate({"tar": {"1e-2": rate, "1e-1": 1.0}} | common | cosines) for rate in rates]


def why(*rates: float | None, finished: int = 1, seconds: float = 0.0, **fields: Any) -> str | None:
    return reason_to_stop(StopPlan.model_validate(fields), finished, 5, scored(*rates), seconds)


def test_all_rounds_end_a_run_whatever_else_is_asked() -> None:
    assert why(finished=4) is None
    assert why(finished=5) == "5 of 5 rounds are finished"
    assert why(0.0, finished=5, far=1e-2, target_tar=0.9) == "5 of 5 rounds are finished"


@pytest.mark.parametrize(("seconds", "stops"), [(0.0, False), (59.9, False), (60.0, True), (61.0, True)])
def test_the_wall_clock(seconds: float, stops: bool) -> None:
    reason = why(seconds=seconds, wall_clock_seconds=60)
    assert reason == (f"{seconds:.0f} s have passed; the limit is 60 s" if stops else None)


@pytest.mark.parametrize(
    ("rates", "stops"),
    [
        ((), False),
        ((0.89,), False),
        ((0.9,), True),
        ((0.95,), True),
        ((0.9, 0.8), False),
        ((0.9, None), True),
        ((None,), False),
    ],
)
def test_the_target_is_for_the_newest_rate_there_is(rates: tuple[float | None, ...], stops: bool) -> None:
    assert (why(*rates, far=1e-2, target_tar=0.9) is not None) is stops


def test_the_target_names_what_reached_it() -> None:
    assert why(0.93, far=0.01, target_tar=0.9) == "TAR at FAR 1e-2 is 0.9300, which reaches the target 0.9000"


@pytest.mark.parametrize(
    ("rates", "stops"),
    [
        ((0.5,), False),
        ((0.5, 0.5), False),
        ((0.5, 0.5, 0.5), True),
        ((0.5, 0.4, 0.3), True),
        ((0.5, 0.4, 0.6), False),
        ((0.5, 0.6, 0.4), False),
        ((0.5, 0.6, 0.4, 0.6), True),
        ((0.5, 0.6, 0.4, 0.61), False),
        ((0.5, None, 0.5, None, 0.5), True),
        ((None, None, None, 0.5), False),
    ],
)
def test_patience_counts_scored_rounds_in_a_row_that_raise_nothing(rates: tuple[float | None, ...], stops: bool) -> None:
    assert (why(*rates, far=1e-2, patience=2) is not None) is stops


def test_patience_names_the_best() -> None:
    assert (
        why(0.5, 0.7, 0.6, far=0.01, patience=1) == "TAR at FAR 1e-2 was 0.7000, and the last 1 evaluated have not raised it"
    )


@pytest.mark.parametrize(("gain", "stops"), [(0.01, True), (0.03, False)])
def test_the_least_gain_is_what_counts_as_raising(gain: float, stops: bool) -> None:
    assert (why(0.5, 0.5 + gain, far=1e-2, patience=1, least_gain=0.02) is not None) is stops
