"""The rounds of a run as far as their records can be read: one that cannot must not hide the others, or other runs."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from fedface_core.contracts.schema_version import UNREADABLE
from fedface_core.domain.errors import NotFoundError
from fedface_core.domain.run import Run
from fedface_core.ports import RoundSummary, RunViews

log = structlog.get_logger(__name__)


def readable_rounds(
    ledger: RunViews, run: Run, after: int | None = None, limit: int | None = None
) -> tuple[list[RoundSummary], dict[int, str]]:
    """The run's rounds in order, with the counts of their clients; and for each that cannot be read (number → reason) why.

    Only rounds above ``after`` if that is given; the first ``limit`` of them. `NotFoundError` if the run was deleted
    meanwhile.
    """
    try:
        return [*ledger.round_summaries(run.id, after, limit)], {}
    except UNREADABLE:
        return _one_by_one(ledger, run, ledger.round_numbers(run.id, after, limit))


def _one_by_one(ledger: RunViews, run: Run, numbers: Sequence[int]) -> tuple[list[RoundSummary], dict[int, str]]:
    readable: list[RoundSummary] = []
    unreadable: dict[int, str] = {}
    for number in numbers:
        try:
            readable.append(ledger.round_summary(run.id, number))
        except NotFoundError:  # the run was deleted meanwhile
            continue
        except UNREADABLE as error:
            unreadable[number] = str(error)
    log.warning("rounds_unreadable", run_id=run.id, reasons=unreadable)
    return readable, unreadable
