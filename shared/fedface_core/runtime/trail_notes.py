"""Notes for a run's audit trail: that a step fails, or that work waits.

Only control may write the trail. Any other service sends its note as a fact, and control writes it down. The trail has no
more than `most_events` when a note comes: a service that was taken over could send notes without end.
"""

from __future__ import annotations

from typing import Final

import structlog

from fedface_core.contracts.tasks import CONTROL
from fedface_core.domain.commands import HandleFact
from fedface_core.domain.errors import FedFaceError
from fedface_core.domain.facts import Note
from fedface_core.domain.run import Run
from fedface_core.ports import Ports, RunRecords

log = structlog.get_logger(__name__)

MOST_NOTES: Final = 1000
"""Of a run that has no round yet."""
_EVENTS_OF_A_ROUND: Final = 10
"""More than twice as many as a round has by itself, so that there is room for notes in each."""


def note(ports: Ports, run_id: str, correlation_id: str, noted: Note) -> None:
    """Have control write the note of this service; control itself writes it at once.

    What keeps it from that is logged. A note is no part of the work that it is about, so it never ends that.
    """
    try:
        if noted.service == CONTROL:
            write_note(ports.ledger, ports.ledger.load(run_id), noted)
        else:
            ports.publisher.publish(HandleFact(run_id=run_id, fact=noted), correlation_id=correlation_id)
    except FedFaceError as error:
        log.warning("not_noted", note=noted.kind, reason=str(error))


def write_note(ledger: RunRecords, run: Run, noted: Note) -> None:
    """Write the note into the run's audit trail, unless that has as many events as it may have."""
    if not ledger.record_event(run.id, noted.kind, noted.event_data, most_events(run)):
        log.warning("not_noted", note=noted.kind, reason="the audit trail has as many events as it may have for a note")


def most_events(run: Run) -> int:
    """How many events the run's audit trail may have for one more note to be written."""
    return MOST_NOTES + _EVENTS_OF_A_ROUND * (0 if run.round is None else run.round + 1)
