"""The port to what the ledger remembers of deleted runs (ADR 47)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

DELETED_KEPT: Final = timedelta(days=30)
"""For so long at least the id of a deleted run is not used again."""
LEFTOVERS_AT_ONCE: Final = 100


class DeletedRuns(Protocol):
    """The ids of deleted runs, and which of them may have left something behind. `RunRecords.delete` adds to them."""

    def was_deleted(self, run_id: str) -> bool:
        """Whether the ledger remembers that a run with this id was deleted."""

    def leftovers(self, before: datetime) -> Sequence[str]:
        """The runs that were deleted before this time, and in whose folders objects may lie that came late.

        The oldest first, `LEFTOVERS_AT_ONCE` at most.
        """

    def forget_leftovers(self, run_id: str) -> None:
        """Record that nothing is left of a deleted run."""
