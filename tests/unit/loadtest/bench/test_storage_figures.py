"""The upkeep that is measured is carried out, on a ledger and a store in memory."""

from __future__ import annotations

from fedface_core.adapters.memory import MemoryArtifacts, MemoryLedger, RecordingPublisher
from fedface_core.adapters.system_clock import SystemClock
from fedface_core.contracts import object_keys
from fedface_core.ports import Ports
from loadtest.bench.ended_runs import run_id
from loadtest.bench.storage_figures import RUNS_TO_A_STRAY, collect_all_garbage, measure_storage
from support.lost_ledger import lose_run


def test_each_step_of_the_upkeep_is_timed_and_has_its_effect() -> None:
    ports = Ports(MemoryLedger(), MemoryArtifacts(), RecordingPublisher(), SystemClock())
    runs = RUNS_TO_A_STRAY + 3

    def lose_ledger() -> None:
        assert ports.artifacts.keys(object_keys.run_folder(run_id(0))) == [], "it was deleted"
        assert collect_all_garbage(ports, dry_run=True) == 0, "it was collected"
        for run in ports.ledger.runs():
            lose_run(ports.ledger, run.id)

    seconds = measure_storage(ports, runs, lose_ledger)
    assert len(ports.ledger.runs()) == runs - 1, "they are restored"
    assert min(seconds.values()) > 0
    assert list(seconds)[:1] + list(seconds)[-2:] == ["put the runs", "collect garbage", "restore the ledger"]
