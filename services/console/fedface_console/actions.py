"""What a reader may do with a run: the actions that its phase allows, as the API says, and that the reader's roles allow."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fedface_console.control_api import ControlApi, Reader
from fedface_console.errors import PageError
from fedface_core.contracts.http import RunDetail, RunSummary
from fedface_core.domain.role import Role
from fedface_core.domain.round import ENDED_ROUND, RoundPhase

_UNFINISHED: Final = frozenset(RoundPhase) - ENDED_ROUND - {RoundPhase.SUSPENDED}


@dataclass(frozen=True)
class Action:
    """One action: its name in the API's ``allowed``, its button, what it does, and how it is asked for."""

    name: str
    label: str
    effect: str
    method: str = "POST"
    path: str = ""
    role: Role = Role.OPERATOR
    grave: bool = False
    round_phases: frozenset[RoundPhase] | None = None
    """Of the current round; None if the action is not about a round."""
    training_only: bool = False

    @property
    def slug(self) -> str:
        """The action's name in a path."""
        return self.name.replace(" ", "-")


ACTIONS: Final = (
    Action("start", "Start", "The model is prepared, the clients enrol, and the rounds follow.", path="start"),
    Action("pause", "Pause", "The round in flight is finished first. Then nothing new starts.", path="pause"),
    Action(
        "pause now",
        "Pause now",
        "A round that waits for clients is suspended: no further client starts, what is under way still counts, the "
        "deadline stands still.",
        path="pause?now=true",
    ),
    Action("resume", "Resume", "The run goes on where it stopped.", path="resume"),
    Action(
        "close round",
        "Close round",
        "The round stops taking updates, and is averaged with those that it has.",
        path="rounds/{round}/close",
        round_phases=frozenset({RoundPhase.OPEN}),
    ),
    Action(
        "retry round",
        "Retry round",
        "The round is abandoned with its updates, and another one opens with a fresh cohort.",
        path="rounds/{round}/retry",
        grave=True,
        round_phases=_UNFINISHED,
        training_only=True,
    ),
    Action(
        "skip evaluation",
        "Skip evaluation",
        "The model version of this round gets no scores; the round finishes as soon as it is averaged.",
        path="rounds/{round}/skip-evaluation",
        round_phases=_UNFINISHED,
    ),
    Action(
        "cancel",
        "Cancel run",
        "The run ends now. What it has stored stays; updates under way are refused.",
        path="cancel",
        grave=True,
    ),
    Action(
        "delete",
        "Delete run",
        "Its artifacts, its records and the models that no other run names are removed for ever.",
        method="DELETE",
        role=Role.ADMIN,
        grave=True,
    ),
)
_KEY: Final = re.compile(r"[\w-]{1,100}", re.ASCII)
_BY_SLUG: Final = {action.slug: action for action in ACTIONS}


def actions_for(run: RunSummary, reader: Reader) -> list[Action]:
    """The actions that this reader may take on the run now."""
    return [action for action in ACTIONS if _fits(action, run) and reader.may(action.role)]


def buttons(run: RunSummary, reader: Reader) -> str:
    """Which buttons `actions_for` makes, and for which round. A page keeps its buttons until this changes."""
    return " ".join([str(run.round), *(action.slug for action in actions_for(run, reader))])


def new_key() -> str:
    """A new idempotency key, for a form: sending the form twice does the action once."""
    return uuid.uuid4().hex


def key_of(form: Mapping[str, str]) -> str:
    """The idempotency key of a form, or a new one if it has none. `PageError` if no page of ours has made it."""
    key = form.get("key") or new_key()
    if not _KEY.fullmatch(key):
        raise PageError("The form has a key that no page has made. Load the page again.")
    return key


async def take_action(api: ControlApi, run_id: str, slug: str, form: dict[str, str]) -> RunDetail | None:
    """Have the API carry out an action. None if the run is gone at once.

    `PageError` if there is no such action, or if its confirmation is not the run's id.
    """
    action = _BY_SLUG.get(slug)
    if action is None:
        raise PageError(f"There is no action {slug!r}.")
    request: dict[str, Any] = {}
    path = f"/v1/runs/{run_id}"
    if action.path:
        number = form.get("round", "")
        if "{round}" in action.path and not (number.isascii() and number.isdigit()):
            raise PageError("The form names no round. Load the page of the run again.")
        path += "/" + action.path.format(round=number)
    else:
        request["params"] = {"confirm": form.get("confirm", "").strip()}
    return await api.change(RunDetail, action.method, path, key=key_of(form), **request)


def _fits(action: Action, run: RunSummary) -> bool:
    if action.name not in run.allowed:
        return False
    if action.round_phases is None:
        return True
    return run.round_phase in action.round_phases and not (action.training_only and run.round == 0)
