"""What an operator asks of a run."""

from __future__ import annotations

import hashlib

import pytest

from fedface_control.operate.quota import Quota
from fedface_control.operate.run import clone_run, create_run, delete_run, pause_run, resume_run
from fedface_core.domain.budget import Budget
from fedface_core.domain.errors import InvalidInputError, WrongPhaseError
from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.spreadout import SpreadoutPlan
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import ALLOWED, RunPhase
from support.control_rounds import PLAN, RUN, Control
from support.in_process import InProcess
from support.places import run_in


@pytest.mark.parametrize("phase", sorted(set(RunPhase) - ALLOWED["delete"] - {RunPhase.DELETING}))
def test_a_run_that_has_not_ended_is_not_deleted(services: InProcess, phase: RunPhase) -> None:
    run_id = run_in(services, phase)
    with pytest.raises(WrongPhaseError):
        delete_run(services.ports, run_id, run_id)


def test_no_id_but_the_runs_own_confirms(services: InProcess) -> None:
    one = run_in(services, RunPhase.CREATED)
    other = run_in(services, RunPhase.CREATED)
    with pytest.raises(InvalidInputError, match=f"to confirm, send \\?confirm={one}"):
        delete_run(services.ports, one, other)


def test_the_id_of_a_run_follows_from_its_key() -> None:
    control = Control.empty()
    run = create_run(control.ports, PLAN, "one")
    assert run.id == f"run-{hashlib.sha256(b'one').hexdigest()[:12]}"
    assert create_run(control.ports, PLAN, "one") == run
    assert create_run(control.ports, PLAN).id != create_run(control.ports, PLAN).id
    with pytest.raises(InvalidInputError, match=f"the idempotency key 'one' created {run.id}, which has another plan"):
        create_run(control.ports, Plan(), "one")


def test_a_run_that_costs_too_much_is_neither_created_nor_cloned() -> None:
    control = Control.empty()
    costly = PLAN.model_copy(update={"spreadout": SpreadoutPlan(steps=1_000_000)})
    with pytest.raises(InvalidInputError, match=r"spreadout takes .* raise FEDFACE_PLAN_MULTIPLICATIONS"):
        create_run(control.ports, costly, "one")
    run = create_run(control.ports, PLAN)
    with pytest.raises(InvalidInputError, match="spreadout takes"):
        clone_run(control.ports, run.id, {"spreadout": {"steps": 1_000_000}})
    assert control.ledger.runs() == [run]
    assert clone_run(
        control.ports, run.id, {"spreadout": {"steps": 1_000_000}}, quota=Quota(budget=Budget(multiplications=10**16))
    )


def test_a_run_that_is_there_is_not_judged_again() -> None:
    control = Control.empty()
    run = create_run(control.ports, PLAN, "one")
    assert create_run(control.ports, PLAN, "one", quota=Quota(budget=Budget(parameters=1))) == run
    assert control.ledger.load(run.id) == run


def test_a_pause_suspends_the_open_round_and_its_end_moves_the_deadline() -> None:
    control = Control.empty()
    control.open()
    deadline_at = control.ledger.load_round(RUN, 0).deadline_at
    assert pause_run(control.ports, RUN, now=True).phase is RunPhase.PAUSED
    assert control.ledger.load_round(RUN, 0).phase is RoundPhase.SUSPENDED
    control.clock.advance(1000)
    assert resume_run(control.ports, RUN).phase is RunPhase.RUNNING
    assert (control.ledger.load_round(RUN, 0).deadline_at - deadline_at).total_seconds() == 1000
