from __future__ import annotations

from typing import Any

import pytest

from fedface_console.actions import ACTIONS, actions_for, buttons
from fedface_console.control_api import Reader
from fedface_core.domain.role import Role
from fedface_core.domain.run import ALLOWED, RunPhase, allowed_actions
from support.api_answers import a_run

ADMIN = Reader(actor=None, roles=list(Role), sign_in=False)
OPERATOR = Reader(actor="key:o", roles=[Role.OPERATOR, Role.VIEWER], sign_in=True)
VIEWER = Reader(actor="key:v", roles=[Role.VIEWER], sign_in=True)


def shown(phase: str, reader: Reader = ADMIN, **fields: Any) -> set[str]:
    run = a_run(phase=phase, allowed=allowed_actions(RunPhase(phase)), **fields)
    return {action.name for action in actions_for(run, reader)}


def test_every_action_that_the_api_knows_has_a_button() -> None:
    assert {action.name for action in ACTIONS} == ALLOWED.keys()


@pytest.mark.parametrize("phase", list(RunPhase))
def test_a_phase_shows_what_it_allows_and_nothing_else(phase: RunPhase) -> None:
    assert shown(phase, round_phase="open") == set(allowed_actions(phase))


@pytest.mark.parametrize(
    ("round_phase", "number", "hidden"),
    [
        ("open", 0, {"retry round"}),
        ("aggregating", 3, {"close round"}),
        ("evaluating", 3, {"close round"}),
        ("finished", 3, {"close round", "retry round", "skip evaluation"}),
        ("suspended", 3, {"close round", "retry round", "skip evaluation"}),
    ],
)
def test_an_action_on_a_round_is_shown_when_the_round_allows_it(round_phase: str, number: int, hidden: set[str]) -> None:
    expected = set(allowed_actions(RunPhase.RUNNING)) - hidden
    assert shown("running", round_phase=round_phase, round=number) == expected


def test_roles_hide_what_one_may_not_do() -> None:
    assert shown("running", VIEWER, round_phase="open") == set()
    assert "cancel" in shown("running", OPERATOR, round_phase="open")
    assert "delete" not in shown("completed", OPERATOR)
    assert "delete" in shown("completed", ADMIN)


def test_buttons_change_with_the_actions_and_with_the_round() -> None:
    run = a_run(phase="running", allowed=allowed_actions(RunPhase.RUNNING), round_phase="open", round=3)
    assert buttons(run, ADMIN) == buttons(run.model_copy(update={"accepted": 7}), ADMIN)
    assert buttons(run, ADMIN) != buttons(run.model_copy(update={"round": 4}), ADMIN)
    assert buttons(run, ADMIN) != buttons(run, VIEWER)
