"""Records that another version of FedFace wrote are refused by name, from the ledger and from the artifact store."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
import redis

from fedface_control.upkeep.restore import restore_run
from fedface_core.adapters.memory import ManualClock, MemoryArtifacts, MemoryLedger, RecordingPublisher
from fedface_core.adapters.redis.keys import round_keys, run_keys
from fedface_core.adapters.redis.ledger import RedisLedger
from fedface_core.contracts import object_keys
from fedface_core.contracts.manifest import Manifest
from fedface_core.domain.errors import UnknownSchemaError
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import open_round
from fedface_core.domain.run import Run
from fedface_core.ports import Ports

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN = Run(id="run-0123456789ab", plan=Plan(), correlation_id="c", created_at=NOW)
ROUND = open_round(RUN.plan, RUN.id, 0, (client_id(0),), "0" * 64, NOW)


def of_version(version: int, record: str) -> str:
    return json.dumps(json.loads(record) | {"schema_version": version, "a field of that version": 1})


def test_a_run_of_another_version(ledger_url: str) -> None:
    ledger = RedisLedger(ledger_url)
    ledger.create(RUN)
    with redis.Redis.from_url(ledger_url) as server:
        server.hset(run_keys(RUN.id).run, "record", of_version(9, RUN.model_dump_json()))
    with pytest.raises(UnknownSchemaError, match="schema version 9 of Run is not known here: this FedFace reads version 3"):
        ledger.load(RUN.id)


def test_a_record_that_cannot_be_read_does_not_hide_the_others(ledger_url: str) -> None:
    ledger = RedisLedger(ledger_url)
    another = RUN.model_copy(update={"id": "run-0123456789cd"})
    ledger.create(RUN)
    ledger.create(another)
    with redis.Redis.from_url(ledger_url) as server:
        server.hset(run_keys(RUN.id).run, "record", of_version(9, RUN.model_dump_json()))
    assert ledger.runs() == [another]


def test_a_round_of_another_version(ledger_url: str) -> None:
    ledger = RedisLedger(ledger_url)
    ledger.create(RUN)
    ledger.save(RUN, "round_opened", opened=ROUND)
    with redis.Redis.from_url(ledger_url) as server:
        server.hset(round_keys(RUN.id, 0).round, "record", of_version(2, ROUND.model_dump_json()))
    for read in (ledger.load_round, ledger.round_state, ledger.round_summary):
        with pytest.raises(UnknownSchemaError, match="schema version 2 of RoundState is not known here"):
            read(RUN.id, 0)


@pytest.mark.parametrize("what", ["Run", "Manifest"])
def test_a_run_is_not_restored_from_what_another_version_left(what: str) -> None:
    artifacts = MemoryArtifacts()
    clock = ManualClock()
    manifest = Manifest(run=RUN, round=ROUND, accepted={}, failed={}, enrolled=())
    records = {"Run": RUN.model_dump_json(), "Manifest": manifest.model_dump_json()}
    records[what] = of_version(7, records[what])
    artifacts.put(object_keys.run(RUN.id), records["Run"].encode())
    artifacts.put(object_keys.manifest(RUN.id, 0), records["Manifest"].encode())
    ledger = MemoryLedger(clock)
    with pytest.raises(UnknownSchemaError, match=f"schema version 7 of {what} is not known here"):
        restore_run(Ports(ledger, artifacts, RecordingPublisher(), clock), RUN.id)
    assert ledger.runs() == []
