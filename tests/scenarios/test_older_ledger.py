"""Redis comes back without what was recorded last, while workers live on: they have seen what the ledger has forgotten."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from fedface_control.operate.round import close_round_early
from fedface_control.upkeep.restore import pause_older_runs, restore_run
from fedface_core.contracts import object_keys
from fedface_core.domain.errors import WrongPhaseError
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import ENDED, RunPhase
from support.in_process import InProcess
from support.lost_ledger import OlderCopy
from support.places import in_round, simulated
from support.stride import Stride
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


def test_a_run_of_which_the_store_knows_a_later_round_is_paused_and_can_be_restored(faces: Path) -> None:
    """Somebody has put back a copy of Redis of a while ago. The updates of the rounds that it knows may be removed."""
    services = InProcess(tiny_plan(faces, rounds=4, retention={"rounds_of_updates": 1}))
    ports = services.ports
    run_id = services.start()
    services.until(run_id, in_round(services, 1))
    copy = OlderCopy(services)
    services.until(run_id, in_round(services, 4))
    copy.put_back(services)
    record = ports.artifacts.get(object_keys.run(run_id))
    assert pause_older_runs(ports) == [run_id]
    assert ports.artifacts.get(object_keys.run(run_id)) == record, "which may know of what the copy does not"
    assert (ports.ledger.load(run_id).phase, ports.ledger.load_round(run_id, 1).phase) == (
        RunPhase.PAUSED,
        RoundPhase.SUSPENDED,
    )
    event = ports.ledger.events(run_id)[-1]
    assert event.name == "run_paused"
    assert str(event.data["because"]).startswith("the store has round 2 of this run, which the ledger does not know")
    assert pause_older_runs(ports) == []
    restored = restore_run(ports, run_id)
    assert (restored.phase, restored.finished_rounds) == (RunPhase.RUNNING, 3)
    run = services.to_end(run_id)
    assert (run.phase, run.model_sha256) == (RunPhase.COMPLETED, simulated(services.plan).model_sha256)


def test_no_run_that_is_as_the_store_has_it_is_paused_or_replaced(faces: Path, stride: Stride) -> None:
    plan = tiny_plan(faces, split={"clients": 2}, cohort={"shard_size": 1}, rounds=2)
    for at in stride.of(itertools.count(1)):
        services = InProcess(plan, kill_after=at)
        run_id = services.start()
        while not services.effect_log.kills and services.ports.ledger.load(run_id).phase not in ENDED:
            services.step()
        before = services.ports.ledger.load(run_id)
        assert pause_older_runs(services.ports) == []
        with pytest.raises(WrongPhaseError, match="nothing to restore"):
            restore_run(services.ports, run_id)
        assert services.ports.ledger.load(run_id) == before
        if before.phase in ENDED:
            assert at > 20
            return
