"""Numbers, times and phases as text."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fedface_cli.wording import (
    cosine,
    counted,
    duration,
    failing_line,
    local_minute,
    local_second,
    named_stragglers,
    percent,
    phase_with_reason,
    progress,
    status_line,
)
from fedface_core.domain.failures import StepFailure
from fedface_core.domain.run import RunPhase
from support.api_answers import SLOW, a_run


@pytest.mark.parametrize("phase", RunPhase)
def test_each_phase_has_its_next_step(phase: RunPhase) -> None:
    line = status_line(a_run(phase=phase))
    assert line.startswith(f"run-0123456789ab is {phase}")
    assert "\n" not in line
    assert ("fedface " in line) is (phase is not RunPhase.DELETING)


def test_the_wording() -> None:
    assert [duration(seconds) for seconds in (-3, 0, 9.6, 61, 3600, 4252)] == [
        "0:00",
        "0:00",
        "0:10",
        "1:01",
        "1:00:00",
        "1:10:52",
    ]
    assert named_stragglers(a_run(phase="running", waiting_for=SLOW[:2], unsettled=2), 5) == "client-000003, client-000007"
    assert progress(a_run(phase="created", round=None)) == "no round yet, 8 planned"
    assert progress(a_run(phase="running", round=0)) == "enrolment, 0 of 8 finished"


@pytest.mark.parametrize(("share", "text"), [(None, "–"), (0.0, "0.00 %"), (0.93299, "93.30 %"), (1.0, "100.00 %")])
def test_a_share_is_in_per_cent(share: float | None, text: str) -> None:
    assert percent(share) == text


def test_cosines_and_counts() -> None:
    assert [cosine(value) for value in (0.1234, -0.5)] == ["+0.123", "-0.500"]
    assert [counted(number, "round") for number in (0, 1, 2)] == ["0 rounds", "1 round", "2 rounds"]


def test_a_failing_step_is_one_line() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    failing = StepFailure(step="control.sweep", reason="KeyError: 3", in_a_row=1, total=3, since=at, at=at)
    assert failing_line(failing) == f"control.sweep: 3 failures, the newest at {at.astimezone():%H:%M}: KeyError: 3"


def test_moments_are_in_the_readers_time_zone() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert local_minute(at) == at.astimezone().strftime("%Y-%m-%d %H:%M")
    assert local_second(at.isoformat()) == at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    assert local_minute(None) == "–"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"phase": "failed", "failure": "round 3: no disk"}, "failed: round 3: no disk"),
        ({"phase": "completed", "stopped_because": "8 of 8 rounds are finished"}, "completed: 8 of 8 rounds are finished"),
        ({"phase": "cancelled"}, "cancelled"),
    ],
)
def test_a_phase_has_its_reason(fields: dict[str, str], text: str) -> None:
    assert phase_with_reason(a_run(**fields)) == text
