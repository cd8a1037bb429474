"""Ended runs are as services leave them: the ledger knows them, the store can restore them, and everything is named."""

from __future__ import annotations

from datetime import timedelta

from fedface_control.upkeep.claims import claim_for_earlier_runs
from fedface_control.upkeep.restore import restore_all
from fedface_core.adapters.memory import ManualClock, MemoryArtifacts, MemoryLedger, RecordingPublisher
from fedface_core.contracts import object_keys
from fedface_core.domain.run import RunPhase
from fedface_core.ports import Ports
from loadtest.bench.ended_runs import CLIENTS, put_ended_runs, run_id
from support.claimed_models import models_of_nobody, unclaimed
from support.garbage import collect_garbage


def test_ended_runs_have_all_that_runs_have_and_come_back_from_the_store() -> None:
    clock = ManualClock()
    ports = Ports(MemoryLedger(clock), MemoryArtifacts(clock), RecordingPublisher(), clock)
    claim_for_earlier_runs(ports)
    put_ended_runs(ports, 3)
    runs = ports.ledger.runs()
    assert [run.id for run in runs] == [run_id(2), run_id(1), run_id(0)]
    assert {(run.phase, run.finished_rounds) for run in runs} == {(RunPhase.COMPLETED, 1)}
    assert len({run.model_sha256 for run in runs}) == 3
    assert len(ports.ledger.accepted(run_id(1), 1)) == CLIENTS
    kinds = {object_keys.kind(key) for key in ports.artifacts.keys(object_keys.run_folder(run_id(1)))}
    assert kinds == {"run", "update", "partial", "class_embedding", "aggregation", "report", "manifest"}
    assert unclaimed(ports) == set()
    assert models_of_nobody(ports) == set()
    clock.advance(7200)
    assert collect_garbage(ports, timedelta(hours=1), dry_run=True) == []
    lost = Ports(MemoryLedger(clock), ports.artifacts, ports.publisher, clock)
    restored, refused = restore_all(lost)
    assert (sorted(restored, key=lambda run: run.created_at, reverse=True), refused) == ([*runs], {})
