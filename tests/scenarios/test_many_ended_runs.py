"""The upkeep of one run costs what that run holds, however many other runs have ended."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from fedface_control.operate.run import delete_run
from fedface_control.sweep import sweep
from fedface_control.upkeep.claims import claim_for_earlier_runs
from fedface_control.upkeep.garbage import collect_garbage_page
from fedface_control.upkeep.restore import restore_all
from fedface_core.adapters.memory import ManualClock, MemoryArtifacts, MemoryLedger, RecordingPublisher
from fedface_core.contracts import object_keys
from fedface_core.ports import Ports
from loadtest.bench.ended_runs import put_ended_runs, run_id
from support.lost_ledger import lose_run

REPEAT_AFTER = timedelta(minutes=1)


class CountedPort:
    """A port that counts its calls by name, and the sizes of the listings that it returns."""

    def __init__(self, port: object) -> None:
        self._port = port
        self.calls: Counter[str] = Counter()
        self.listed = 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.calls[name] += 1
            result = method(*args, **kwargs)
            if name in ("keys", "page", "runs", "active_runs"):
                self.listed += len(result)
            return result

        return counted


class Counted:
    """Ports in memory with ended runs, whose calls are counted from now on."""

    def __init__(self, runs: int) -> None:
        clock = ManualClock()
        plain = Ports(MemoryLedger(clock), MemoryArtifacts(clock), RecordingPublisher(), clock)
        claim_for_earlier_runs(plain)
        put_ended_runs(plain, runs)
        clock.advance(7200)
        self.ledger: Any = CountedPort(plain.ledger)
        self.artifacts: Any = CountedPort(plain.artifacts)
        self.ports = Ports(self.ledger, self.artifacts, plain.publisher, clock)

    def cost(self) -> tuple[Counter[str], int, Counter[str], int]:
        return self.artifacts.calls, self.artifacts.listed, self.ledger.calls, self.ledger.listed


def cost_of_deleting_one(runs: int) -> object:
    counted = Counted(runs)
    delete_run(counted.ports, run_id(1), run_id(1))
    sweep(counted.ports, REPEAT_AFTER)
    assert len(counted.ports.ledger.run_phases()) == runs - 1
    assert counted.artifacts.keys(object_keys.run_folder(run_id(1))) == []
    return counted.cost()


def test_the_deletion_of_one_run_costs_the_same_whether_three_runs_have_ended_or_three_hundred() -> None:
    assert cost_of_deleting_one(3) == cost_of_deleting_one(300)


def test_a_sweep_costs_the_same_whether_three_runs_have_ended_or_three_hundred() -> None:
    costs = []
    for runs in (3, 300):
        counted = Counted(runs)
        sweep(counted.ports, REPEAT_AFTER)
        costs.append(counted.cost())
    assert costs[0] == costs[1]


@pytest.mark.parametrize("part", ["claims", "models", "runs"])
def test_a_page_of_garbage_costs_the_same_whether_thirty_runs_have_ended_or_three_hundred(part: str) -> None:
    """Reads of the store, which have no bound but the network's: those of the ledger are one for each run on the page."""
    reads = []
    for runs in (30, 300):
        counted = Counted(runs)
        page = collect_garbage_page(counted.ports, timedelta(hours=1), after=f"{part}/-", limit=20, dry_run=True)
        assert (page.keys, page.looked_at) == ([], 20)
        reads.append(counted.artifacts.calls)
    assert reads[0] == reads[1]
    assert reads[0]["get"] <= 1, "no manifest and no record is read, only whether earlier runs have claims"


def test_a_restoration_reads_only_what_is_lost() -> None:
    counted = Counted(50)
    restore_all(counted.ports)
    assert counted.artifacts.calls == Counter(keys=1)
    lose_run(counted.ports.ledger, run_id(7))
    restored, refused = restore_all(counted.ports)
    assert ([run.id for run in restored], refused) == ([run_id(7)], {})
    assert counted.artifacts.calls["get"] == 3, "its record and two manifests"
