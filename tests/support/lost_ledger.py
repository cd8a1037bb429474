"""A ledger that loses a run, for tests of restoring it."""

from __future__ import annotations

from support.in_process import InProcess


def lose(services: InProcess, run_id: str, *, workers_too: bool = True) -> None:
    """Delete the run from the ledger, and all messages from the broker. ``workers_too``: restart the services."""
    services.ports.ledger.delete(run_id)
    services.publisher.published.clear()
    if workers_too:
        services.restart_services()
