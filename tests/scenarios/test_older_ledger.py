"""Redis comes back without what was recorded last, while workers live on: they have seen what the ledger has forgotten."""

from __future__ import annotations

from pathlib import Path

from fedface_control.operate.round import close_round_early
from fedface_core.domain.run import RunPhase
from support.in_process import InProcess
from support.lost_ledger import OlderCopy
from support.places import in_round
from support.tiny_run import tiny_plan


def test_workers_train_in_the_round_that_the_ledger_has_and_not_in_the_one_it_has_forgotten(faces: Path) -> None:
    """Round 1 is open again, and closes with another accepted set. So round 2 starts from another model version."""
    services = InProcess(tiny_plan(faces, rounds=2))
    ledger = services.ports.ledger
    run_id = services.start()
    services.until(run_id, in_round(services, 1))
    copy = OlderCopy(services)
    services.until(run_id, in_round(services, 2))
    forgotten = ledger.load_round(run_id, 2)
    services.until(run_id, lambda _: ledger.tally(run_id, 2).accepted == 2)
    copy.put_back(services)
    services.until(run_id, lambda _: ledger.tally(run_id, 1).accepted == 3)
    close_round_early(services.ports, run_id, 1)
    assert services.to_end(run_id).phase is RunPhase.COMPLETED
    again = ledger.load_round(run_id, 2)
    assert again.model_sha256 != forgotten.model_sha256
    assert again.aggregation is not None
    assert again.aggregation.refused == {}
