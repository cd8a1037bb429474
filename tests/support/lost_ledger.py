"""A ledger that loses a run, or what was recorded last, for tests of what becomes of the run then."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, cast

from fedface_core.ports import RunLedger
from support.in_process import InProcess


def lose_run(ledger: RunLedger, run_id: str) -> None:
    """Let the ledger in memory forget the run, which was not deleted. A test may have wrapped the ledger."""
    cast(Any, ledger).lose(run_id)


def lose(services: InProcess, run_id: str, *, workers_too: bool = True) -> None:
    """Lose the run from the ledger, and all messages from the broker. ``workers_too``: restart the services."""
    lose_run(services.ports.ledger, run_id)
    services.publisher.published.clear()
    if workers_too:
        services.restart_services()


class OlderCopy:
    """A copy of a ledger in memory, to be put back later: as Redis may come back without its last seconds."""

    def __init__(self, services: InProcess) -> None:
        self._ledger = services.ports.ledger
        self._copied = deepcopy({name: value for name, value in vars(self._ledger).items() if isinstance(value, dict)})

    def put_back(self, services: InProcess) -> None:
        """Make the ledger as it was when it was copied. The messages in the broker are lost."""
        vars(self._ledger).update(deepcopy(self._copied))
        services.publisher.published.clear()
