"""After a round: the run completes, stops early, or pauses."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_control.operate.run import pause_run, resume_run
from fedface_core.domain.run import RunPhase
from support.control_rounds import services_for, start_in_round_1
from support.in_process import REPEAT_AFTER
from support.places import in_round, score_as


def test_a_run_stops_where_its_target_is_reached(faces: Path) -> None:
    services = services_for(faces, rounds=9, stop={"far": 0.5, "target_tar": 0.8})
    run_id = services.start()
    score_as(services, lambda number: 0.5 + number / 10)
    run = services.to_end(run_id)
    assert (run.phase, run.finished_rounds) == (RunPhase.COMPLETED, 3)
    assert run.stopped_because == "TAR at FAR 5e-1 is 0.8000, which reaches the target 0.8000"


def test_a_run_stops_where_rounds_have_brought_no_gain(faces: Path) -> None:
    services = services_for(faces, rounds=9, stop={"far": 0.5, "patience": 2})
    run_id = services.start()
    score_as(services, lambda number: min(0.7, 0.5 + number / 10))
    run = services.to_end(run_id)
    assert (run.phase, run.finished_rounds) == (RunPhase.COMPLETED, 4)
    assert run.stopped_because == "TAR at FAR 5e-1 was 0.7000, and the last 2 evaluated have not raised it"


@pytest.mark.parametrize(("paused_for", "finished"), [(0.0, 1), (5000.0, 1)])
def test_a_run_stops_when_its_time_is_up_and_pauses_do_not_count(faces: Path, paused_for: float, finished: int) -> None:
    services = services_for(faces, rounds=9, stop={"wall_clock_seconds": 1000})
    run_id = start_in_round_1(services)
    services.clock.advance(600)
    if paused_for:
        pause_run(services.ports, run_id, now=True)
        services.clock.advance(paused_for)
        resume_run(services.ports, run_id)
    services.until(run_id, in_round(services, 2))
    services.clock.advance(400)
    run = services.to_end(run_id)
    assert (run.phase, run.finished_rounds) == (RunPhase.COMPLETED, finished + 1)
    assert run.stopped_because == "1000 s have passed; the limit is 1000 s"


def test_a_pausing_run_that_has_all_its_rounds_is_completed(faces: Path) -> None:
    services = services_for(faces, rounds=1)
    run_id = start_in_round_1(services)
    pause_run(services.ports, run_id)
    services.drain()
    services.sweep_after(REPEAT_AFTER.total_seconds())
    run = services.ports.ledger.load(run_id)
    assert (run.phase, run.stopped_because) == (RunPhase.COMPLETED, "1 of 1 rounds are finished")
