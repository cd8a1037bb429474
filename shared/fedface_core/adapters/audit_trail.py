"""What the events of a run's audit trail say, whichever ledger keeps them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.round import Round
from fedface_core.domain.run import Run

_EVENT_ID = re.compile(r"\d{1,19}-\d{1,19}")

Data = Mapping[str, str | int | float | None]


def event_data(
    run: Run, opened: Round | None = None, changed: Round | None = None, detail: Data | None = None
) -> dict[str, str | int | float | None]:
    """The data of the event that stores ``run``: its phase, why it failed, the number and phase of the round that it opened
    or else changed, and ``detail``. A new run that was cloned names the run that it was cloned from.
    """
    data: dict[str, str | int | float | None] = {"phase": run.phase.value}
    if run.version == 0 and run.cloned_from is not None:
        data["cloned_from"] = run.cloned_from
    if run.failure is not None:
        data["failure"] = run.failure
    about = opened or changed
    if about is not None:
        data |= {"round": about.number, "round_phase": about.phase.value}
    return data | dict(detail or {})


def check_event_id(after: str) -> None:
    """`InvalidInputError` if ``after``, which is the header ``Last-Event-ID`` of an HTTP request, is no id of an event."""
    if not _EVENT_ID.fullmatch(after):
        raise InvalidInputError(
            f"{after!r} is not an event id; give the id of an event you received, such as 1700000000000-0"
        )
