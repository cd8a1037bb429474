"""The events of a run's audit trail: their data and the form of their ids, for every adapter of the ledger."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final

import structlog
from pydantic import AllowInfNan, StringConstraints, TypeAdapter

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.round import Round
from fedface_core.domain.run import Run
from fedface_core.ports import RecordedEvent

log = structlog.get_logger(__name__)

DAMAGED_EVENT: Final = "event_damaged"
LONGEST_TEXT: Final = 20_000
MOST_DATA: Final = 1 << 20
_EVENT_NAME: Final = re.compile(r"[a-z_]{1,64}")
_EVENT_ID = re.compile(r"\d{1,19}-\d{1,19}")

EventData = Mapping[str, str | int | float | None]
_Finite = Annotated[float, AllowInfNan(False)]
_DATA: Final = TypeAdapter(dict[Annotated[str, StringConstraints(max_length=64)], str | int | _Finite | None])


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


def creation_data(run: Run) -> dict[str, str | int | float | None]:
    """The data of the event ``run_created``: those of `event_data`, and who has created the run."""
    return event_data(run, detail=None if run.owner is None else {"actor": run.owner})


def readable_event(event_id: str, at: datetime, fields: Mapping[str, str]) -> RecordedEvent:
    """The event with these fields, as the ledger stores them: ``name``, and ``data`` in JSON.

    If they are not as the ledger writes them, the event is named `DAMAGED_EVENT` and says so. Texts of earlier versions of
    FedFace are cut to `LONGEST_TEXT` characters.
    """
    try:
        name = fields["name"]
        if not _EVENT_NAME.fullmatch(name):
            raise ValueError("the name of the event")  # noqa: TRY301
        if len(fields["data"]) > MOST_DATA:
            raise ValueError("the size of the data")  # noqa: TRY301
        data = _DATA.validate_json(fields["data"], strict=True)
    except (KeyError, ValueError):
        log.warning("event_unreadable", event_id=event_id)
        return RecordedEvent(event_id, at, DAMAGED_EVENT, {"reason": "the ledger's record of this event is damaged"})
    cut = {key: value[:LONGEST_TEXT] if isinstance(value, str) else value for key, value in data.items()}
    return RecordedEvent(event_id, at, name, cut)


def check_event_id(after: str) -> None:
    """Check that ``after``, which a user may have sent in the HTTP header ``Last-Event-ID``, is an event id.

    `InvalidInputError` if it is not.
    """
    if not _EVENT_ID.fullmatch(after):
        raise InvalidInputError(
            f"{after!r} is not an event id; give the id of an event you received, such as 1700000000000-0"
        )
