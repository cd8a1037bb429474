"""An open round: the tasks that it publishes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fedface_control.phases.open import commands, next_step, open_enrolment
from fedface_control.phases.phase import Snapshot
from fedface_core.domain.commands import (
    EnrolClients,
    TrainClients,
)
from fedface_core.domain.ids import client_id
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import RunPhase
from support.control_rounds import EVERYONE, MODEL, NOW, PLAN, RUN, Control, a_round, a_tally


def test_an_open_round_asks_the_unsettled_clients() -> None:
    tally = a_tally(unsettled={5, 2})
    train = [TrainClients(run_id=RUN, round=1, clients=(client_id(index),)) for index in (2, 5)]
    enrol = [EnrolClients(run_id=RUN, clients=(client_id(index),)) for index in (2, 5)]
    assert commands(PLAN, a_round(), tally) == train
    assert commands(PLAN, a_round(number=0), tally) == enrol


def test_carried_clients_are_not_asked_when_the_round_opens() -> None:
    """They are at work; only when nothing has happened for a while are they asked again."""
    carried = a_round(number=2).model_copy(update={"carried": {client_id(2): 1}})
    tally = a_tally(unsettled={2, 5})
    at_first = [command.clients for command in commands(PLAN, carried, tally) if isinstance(command, TrainClients)]
    assert at_first == [(client_id(5),)]
    later = tally.model_copy(update={"last_activity": NOW + timedelta(seconds=1)})
    again = [(task.round, task.clients) for task in commands(PLAN, carried, later) if isinstance(task, TrainClients)]
    assert again == [(1, (client_id(2),)), (2, (client_id(5),))]


@pytest.mark.parametrize(("seconds", "accepted", "because"), [(90, 6, None), (91, 6, "deadline"), (0, 7, "settled")])
def test_a_round_closes_when_all_have_settled_or_its_deadline_has_passed(
    seconds: float, accepted: int, because: str | None
) -> None:
    control = Control.empty()
    run = control.open()
    control.accept(*range(accepted))
    control.clock.advance(seconds)
    closed = next_step(control.ports, Snapshot(run, control.ledger.load_round(RUN, 0), control.ledger.tally(RUN, 0)))
    current = control.ledger.load_round(RUN, 0)
    assert (closed is None) is (because is None)
    assert current.phase is (RoundPhase.OPEN if because is None else RoundPhase.AGGREGATING)
    assert because is None or control.ledger.events(RUN)[-1].data["because"] == because


def test_everybody_is_invited_to_enrolment() -> None:
    control = Control.empty()
    run = control.create(RunPhase.PREPARING).replace(model_sha256=MODEL, identity_list_sha256="b" * 64)
    opened = open_enrolment(control.ports, run)
    current = control.ledger.load_round(RUN, 0)
    assert (opened.phase, opened.round) == (RunPhase.RUNNING, 0)
    assert (current.cohort, current.quorum, current.model_sha256) == (EVERYONE, 7, MODEL)
