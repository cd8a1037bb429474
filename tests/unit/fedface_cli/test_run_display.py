"""What a wide and a narrow terminal show of a run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from fedface_cli.api_client import ControlApi
from fedface_cli.run_display import RunDisplay
from fedface_core.contracts.http import RoundView
from fedface_core.domain.round import RoundPhase
from support.api_answers import NOW, SLOW, a_run
from support.api_by_hand import ByHand, scores_of
from support.command_line import terminal

OPEN = {
    "phase": "running",
    "round_phase": "open",
    "finished_rounds": 3,
    "quorum": 10,
    "invited": 13,
    "accepted": 5,
    "failed": 2,
    "late": 1,
    "unsettled": 6,
    "waiting_for": SLOW,
    "seconds_left": 3852.4,
}


def a_round(number: int, abandoned_because: str | None = None) -> RoundView:
    return RoundView(
        number=number,
        phase=RoundPhase.ABANDONED if abandoned_because else RoundPhase.FINISHED,
        invited=13,
        accepted=10,
        failed={},
        opened_at=NOW,
        deadline_at=NOW,
        closed_at=NOW,
        finished_at=NOW,
        abandoned_because=abandoned_because,
        model_sha256="0" * 64,
        aggregation=None,
        scores=None if abandoned_because else scores_of(number),
    )


def drawn(display: RunDisplay, width: int, height: int = 40) -> list[str]:
    console = terminal(width, height)
    console.print(display)
    lines = console.export_text().splitlines()
    assert max(len(line) for line in lines) <= width
    return [" ".join(line.split()) for line in lines]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_display_fits_and_tells_all(width: int) -> None:
    display = RunDisplay(a_run(**OPEN), [a_round(0), a_round(1), a_round(2), a_round(3, "nobody answered")])
    display.waiting = "client is waiting: the object store does not answer"
    lines = drawn(display, width)
    assert lines[0].endswith("people run-0123456789ab running")
    assert lines[1].endswith("round 5, 3 of 8 finished")
    assert lines[2].endswith("5 of 10, 13 invited, 2 failed training")
    assert lines[3] == "late 1 update"
    assert "deadline in 1:04:1" in lines[4]
    names = 5 if width >= 100 else 2
    assert lines[5] == f"waiting for {', '.join(SLOW[:names])} and {6 - names} more"
    assert lines[6] == "client is waiting: the object store does not answer"
    assert lines[7] == "round 3 was abandoned: nobody answered"
    assert [line.split()[0] for line in lines[9:]] == ["round", "0", "1", "2"]
    assert ("genuine" in lines[9]) is (width >= 76)


def test_a_paused_run_says_since_when_and_its_deadline_stands_still() -> None:
    paused_at = NOW - timedelta(minutes=30)
    kept = OPEN | {"phase": "paused", "round_phase": "suspended", "paused_at": paused_at}
    lines = drawn(RunDisplay(a_run(**kept), []), 80)
    assert lines[0].endswith(f"paused since {paused_at.astimezone():%H:%M}")
    assert lines[2].endswith("suspended")
    assert lines[4] == "deadline in 1:04:12 once resumed"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"phase": "completed", "stopped_because": "8 of 8 rounds are finished"}, "8 of 8 rounds are finished"),
        ({"phase": "failed", "failure": "round 5: no disk"}, "round 5: no disk"),
    ],
)
def test_an_ended_run_says_why(fields: dict[str, Any], says: str) -> None:
    assert drawn(RunDisplay(a_run(**fields), []), 80)[1] == says


def test_a_long_run_shows_its_newest_scores_beside_the_first() -> None:
    lines = drawn(RunDisplay(a_run(phase="running"), [a_round(number) for number in range(50)]), 80, height=24)
    numbers = [line.split()[0] for line in lines if line[:1].isdigit()]
    assert numbers == ["0", *(str(number) for number in range(40, 50))]
    assert len(lines) < 24


@pytest.mark.parametrize(
    ("finished", "progress", "activity"), [(0, "enrolment", "enrolling"), (1, "round 1, 0 of 2", "training")]
)
def test_the_display_says_what_a_run_is_doing(api: ByHand, finished: int, progress: str, activity: str) -> None:
    run_id = api.started()
    for number in range(finished):
        api.finish_round(run_id, number)
    with ControlApi(api.url) as client:
        display = RunDisplay(client.run(run_id), client.rounds(run_id).rounds)
    shown = "\n".join(drawn(display, 120))
    for expected in (progress, "0 of 3", activity, "running"):
        assert expected in shown
