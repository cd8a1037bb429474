"""The events of a run's audit trail: their data and the form of their ids, for every adapter of the ledger."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.round import Round
from fedface_core.domain.run import Run

_EVENT_ID = re.compile(r"\d{1,19}-\d{1,19}")

EventData = Mapping[str, str | int | float | None]


def event_data(
    run: Run, opened: Round | None = None, changed: Round | None = None, detail: EventData | None = None
) -> dict[str, str | int | float | None]:
    """The data of the event with which ``run`` is stored.

    They are the run's phase, its failure, the number and the phase of the round ``opened`` (or else ``changed``), and
    ``detail``. The event of a new clone names the original run.
    """
    data: dict[str, str | int | float | None] = {"phase": run.phase.value}
    if run.version == 0 and run.cloned_from is not None:
        data["cloned_from"] = run.cloned_from
    if run.failure is not None:
        data["failure"] = run.failure
    stored_round = opened or changed
    if stored_round is not None:
        data |= {"round": stored_round.number, "round_phase": stored_round.phase.value}
    return data | dict(detail or {})


def check_event_id(after: str) -> None:
    """Check that ``after``, which a user may have sent in the HTTP header ``Last-Event-ID``, is an event id.

    `InvalidInputError` if it is not.
    """
    if not _EVENT_ID.fullmatch(after):
        raise InvalidInputError(
            f"{after!r} is not an event id; give the id of an event you received, such as 1700000000000-0"
        )
