"""A ledger that loses a run, for tests of restoring it."""

from __future__ import annotations

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
