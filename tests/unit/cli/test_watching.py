"""What the terminal shows of a run: live, in a wide and a narrow one, and as lines."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from fedface_cli.api_client import ControlApi, RunEvent
from fedface_cli.run_display import RunDisplay
from fedface_cli.watching import event_line, watch
from fedface_cli.wording import duration, named_stragglers, progress, status_line
from fedface_control.operate.round import retry_round
from fedface_control.operate.run import pause_run, resume_run
from fedface_core.contracts.http import RoundView, RunDetail
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import RunPhase
from support.api_by_hand import PLAN, ByHand, scores_of
from support.command_line import Invoke

NOW = datetime.now(UTC)
SLOW = [f"client-{index:06}" for index in (3, 7, 8, 9, 11)]


def a_run(**fields: Any) -> RunDetail:
    fields = {
        "id": "run-0123456789ab",
        "name": "people",
        "plan": Plan(),
        "created_at": NOW,
        "rounds": 8,
        "round": 5,
    } | fields
    return RunDetail.model_validate(fields)


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
    console = Console(width=width, height=height, record=True, force_terminal=True, file=io.StringIO())
    console.print(display)
    lines = console.export_text().splitlines()
    assert max(len(line) for line in lines) <= width
    return [" ".join(line.split()) for line in lines]


OPEN = {
    "phase": "running",
    "round_phase": "open",
    "finished_rounds": 3,
    "quorum": 10,
    "invited": 13,
    "accepted": 5,
    "failed": 2,
    "unsettled": 6,
    "waiting_for": SLOW,
    "deadline_at": NOW + timedelta(hours=1, seconds=252),
}


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_display_fits_and_tells_all(width: int) -> None:
    due = {"deadline_at": datetime.now(UTC) + timedelta(hours=1, seconds=252)}
    display = RunDisplay(a_run(**OPEN | due), [a_round(0), a_round(1), a_round(2), a_round(3, "nobody answered")])
    display.waiting = "client is waiting: the object store does not answer"
    lines = drawn(display, width)
    assert lines[0].endswith("people run-0123456789ab running")
    assert lines[1].endswith("round 5, 3 of 8 finished")
    assert lines[2].endswith("5 of 10, 13 invited, 2 failed training")
    assert "deadline in 1:0" in lines[3]
    names = 5 if width >= 100 else 2
    assert lines[4] == f"waiting for {', '.join(SLOW[:names])} and {6 - names} more"
    assert lines[5] == "client is waiting: the object store does not answer"
    assert lines[6] == "round 3 was abandoned: nobody answered"
    assert [line.split()[0] for line in lines[8:]] == ["round", "0", "1", "2"]
    assert ("genuine" in lines[8]) is (width >= 76)


def test_a_paused_run_says_since_when_and_its_deadline_stands_still() -> None:
    paused_at = NOW - timedelta(minutes=30)
    kept = OPEN | {"phase": "paused", "round_phase": "suspended", "paused_at": paused_at}
    lines = drawn(RunDisplay(a_run(**kept), []), 80)
    assert lines[0].endswith(f"paused since {paused_at.astimezone():%H:%M}")
    assert lines[2].endswith("suspended")
    assert lines[3] == "deadline in 1:34:12 once resumed"


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
    ("name", "data", "line"),
    [
        ("run_started", {"phase": "preparing"}, "run started"),
        ("round_closed", {"round": 3, "because": "deadline"}, "round 3: round closed: deadline"),
        ("round_abandoned", {"round": 3, "because": "too few", "failure": "x"}, "round 3: round abandoned: too few"),
        ("run_failed", {"failure": "round 1: no disk"}, "run failed: round 1: no disk"),
        ("waiting", {"service": "client", "reason": "no store"}, "client is waiting: no store"),
        ("waiting", {"service": "client", "reason": "no store", "round": 2}, "round 2: client is waiting: no store"),
    ],
)
def test_an_event_is_a_line(name: str, data: dict[str, Any], line: str) -> None:
    assert event_line(RunEvent("1-0", name, data)) == line


def test_a_run_is_watched_through_a_pause_and_an_abandoned_round(api: ByHand, fedface: Invoke) -> None:
    run_id = api.started()
    api.finish_round(run_id, 0)
    retry_round(api.ports, run_id, 1)
    pause_run(api.ports, run_id, now=True)
    resume_run(api.ports, run_id)
    api.ports.ledger.save(api.ports.ledger.load(run_id), "waiting", detail={"service": "client", "reason": "[no] store"})
    for number in (2, 3):
        api.finish_round(run_id, number)
    code, out, _ = fedface("run", "watch", run_id)
    lines = out.splitlines()
    assert code == 0
    story = ["round 1: round abandoned: an operator retried it", "round 2: round opened", "round 2: run paused"]
    story += ["round 2: run resumed", "client is waiting: [no] store", "round 2: round closed: settled"]
    assert [line for line in lines if line in story] == story
    assert lines[-1] == f"{run_id} completed: 2 of 2 rounds are finished"


def test_the_live_display_of_a_run_with_an_abandoned_round(api: ByHand) -> None:
    run_id = api.started()
    api.finish_round(run_id, 0)
    retry_round(api.ports, run_id, 1)
    for number in (2, 3):
        api.finish_round(run_id, number)
    console = Console(width=80, record=True, force_terminal=True, file=io.StringIO())
    with ControlApi(api.url) as client:
        run = watch(client, run_id, console)
    shown = console.export_text()
    assert run is not None
    assert (run.phase, run.round, run.finished_rounds) == (RunPhase.COMPLETED, 3, PLAN.rounds)
    for expected in (
        "round 3, 2 of 2 finished",
        "round 1 was abandoned: an operator retried it",
        "2 of 2 rounds are finished",
    ):
        assert expected in shown


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
