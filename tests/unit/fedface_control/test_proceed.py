"""Which phases wait for another service, and which runs take no step."""

from __future__ import annotations

import pytest

from fedface_control.proceed import WAITING_PHASES, proceed
from fedface_control.publish import PendingWork, publish_never
from fedface_core.contracts.tasks import CLIENT
from fedface_core.domain.commands import EnrolClients, FoldShard
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import RunPhase
from support.control_rounds import EVERYONE, NOW, RUN, Control


def test_a_round_that_has_ended_or_waits_for_its_operator_asks_for_nothing() -> None:
    assert set(RoundPhase) - WAITING_PHASES.keys() == {RoundPhase.SUSPENDED, RoundPhase.FINISHED, RoundPhase.ABANDONED}


IDLE = sorted(set(RunPhase) - {RunPhase.PREPARING, RunPhase.RUNNING, RunPhase.PAUSING})


@pytest.mark.parametrize("phase", IDLE)
def test_a_run_that_does_not_work_takes_no_step(phase: RunPhase) -> None:
    control = Control.empty()
    run = control.open(phase=phase)
    proceed(control.ports, run)
    assert control.ledger.load(RUN) == run
    assert control.publisher.published == []


@pytest.mark.parametrize("allowed", [False, True])
def test_commands_of_the_present_phase_are_published_if_allowed(allowed: bool) -> None:
    control = Control.empty()
    run = control.open()
    seen: list[PendingWork] = []

    def may_publish(work: PendingWork) -> bool:
        seen.append(work)
        return allowed

    proceed(control.ports, run, may_publish)
    assert seen == [PendingWork("open", CLIENT, NOW)]
    asked = [command for command in control.publisher.commands if isinstance(command, EnrolClients)]
    assert [client for command in asked for client in command.clients] == (list(EVERYONE) if allowed else [])
    assert len(asked) == len(control.publisher.commands)


def test_commands_of_a_phase_that_has_just_begun_are_always_published() -> None:
    control = Control.empty()
    run = control.open()
    control.accept(*range(7))
    proceed(control.ports, run, publish_never)
    assert control.ledger.load_round(RUN, 0).phase is RoundPhase.AGGREGATING
    assert {type(command) for command in control.publisher.commands} == {FoldShard}
