from __future__ import annotations

from typing import Any

import pytest

from fedface_console import wording
from fedface_core.domain.run import RunPhase
from support.api_answers import a_run
from support.api_by_hand import scores_of

OPEN: dict[str, Any] = {
    "phase": "running",
    "round_phase": "open",
    "quorum": 8,
    "accepted": 5,
    "unsettled": 5,
    "seconds_left": 9,
}


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0, "0 B"), (999, "999 B"), (3_600_000, "3.6 MB"), (10**18, "1,000.0 PB")],
)
def test_a_size(value: float | None, text: str) -> None:
    assert wording.size(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "–"), (-3, "0 s"), (41, "41 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")]
)
def test_a_span(seconds: float | None, text: str) -> None:
    assert wording.span(seconds) == text


def test_the_strictest_tar_is_that_of_the_smallest_far_that_is_resolved() -> None:
    assert wording.strictest_tar(scores_of(0)) == ("1e-3", 0.4)
    assert wording.strictest_tar(None) is None


def test_every_phase_has_a_mark_of_its_own() -> None:
    assert wording.MARKS.keys() == set(RunPhase)
    assert len({*wording.MARKS.values()}) == len(RunPhase)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"phase": "created"}, "somebody to start it"),
        ({"phase": "preparing"}, "its model"),
        ({"phase": "paused"}, "somebody to resume it"),
        (OPEN, "3 more updates to reach its quorum of 8; 5 clients may still send one. At its deadline"),
        (OPEN | {"accepted": 7, "unsettled": 1}, "1 more update to"),
        (OPEN | {"seconds_left": -1}, "Its deadline has passed"),
        (OPEN | {"accepted": 8}, "has its quorum"),
        (OPEN | {"phase": "pausing"}, "Then the run pauses."),
        ({"phase": "running", "round_phase": "suspended"}, "is suspended"),
        ({"phase": "running", "round_phase": "aggregating"}, "aggregator averages"),
        ({"phase": "running", "round_phase": "evaluating"}, "evaluator scores"),
        ({"phase": "running", "round_phase": "finished"}, "opens the next round"),
        ({"phase": "running", "unreadable_round": "another version wrote it"}, "another version wrote it"),
        ({"phase": "deleting"}, "The sweep removes"),
    ],
)
def test_why_a_run_waits(fields: dict[str, Any], says: str) -> None:
    assert says in wording.why_it_waits(a_run(**fields))


@pytest.mark.parametrize("phase", ["completed", "failed", "cancelled"])
def test_a_run_that_has_ended_waits_for_nothing(phase: str) -> None:
    assert wording.why_it_waits(a_run(phase=phase)) == ""
