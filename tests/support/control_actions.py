"""The actions that an operator asks of the control API, by their names in the table `ALLOWED`."""

from __future__ import annotations

from fedface_core.domain.update import AcceptedUpdate
from support.in_process import InProcess

PATHS = {
    "start": "/start",
    "pause": "/pause",
    "pause now": "/pause?now=true",
    "resume": "/resume",
    "close round": "/rounds/{number}/close",
    "retry round": "/rounds/{number}/retry",
    "skip evaluation": "/rounds/{number}/skip-evaluation",
    "cancel": "/cancel",
}

ON_ROUNDS = ["close round", "retry round", "skip evaluation"]


def accept_one(services: InProcess, run_id: str) -> None:
    """One update more than none, which is the minimum; the harness' clients would settle the whole round."""
    update = AcceptedUpdate(sha256="0" * 64, size=1, images=1)
    receipt = services.ports.ledger.accept(run_id, 1, "client-000002", update)
    assert receipt.refused is None
