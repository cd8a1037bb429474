"""What nobody expects in the store or the ledger hides nothing and stops nobody: stray keys, damaged records, events."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from fedface_control.operate.run import create_run
from fedface_control.upkeep.garbage import collect_garbage_page
from fedface_control.upkeep.restore import restore_all
from fedface_core.adapters.audit_trail import DAMAGED_EVENT
from fedface_core.adapters.memory import ManualClock, MemoryArtifacts, MemoryLedger, RecordingPublisher
from fedface_core.adapters.redis.keys import run_keys
from fedface_core.adapters.redis.ledger import RedisLedger
from fedface_core.contracts import object_keys
from fedface_core.domain.plan import Plan
from fedface_core.ports import Ports

OWN = "run-0123456789ab"
PARTS = st.sampled_from(
    ["runs", "models", "claims", "uploads", "rounds", "residuals", "updates", "run.json", "manifest.json", "x", "7", OWN]
)
KEYS = st.lists(PARTS, min_size=1, max_size=7).map("/".join)


def ports() -> Ports:
    clock = ManualClock()
    return Ports(MemoryLedger(clock), MemoryArtifacts(clock), RecordingPublisher(), clock)


@given(st.dictionaries(KEYS, st.binary(max_size=50) | st.sampled_from([b"{}", b"null", b"[" * 500]), max_size=6))
def test_whatever_lies_in_the_store_garbage_is_listed_and_runs_are_restored(strays: dict[str, bytes]) -> None:
    before = ports()
    run = create_run(before, Plan())
    for key, data in strays.items():
        before.artifacts.put(key, data)
    after = Ports(MemoryLedger(before.clock), before.artifacts, before.publisher, before.clock)  # the ledger was lost
    collect_garbage_page(after, timedelta(), after="", limit=1000, dry_run=True)
    restored, refused = restore_all(after)
    assert run.id in {found.id for found in restored}
    assert set(refused) <= {OWN}


def test_a_record_of_another_run_is_not_restored_under_its_id() -> None:
    lost = ports()
    run = create_run(lost, Plan())
    lost.artifacts.put(object_keys.run(OWN), lost.artifacts.get(object_keys.run(run.id)))
    _, refused = restore_all(Ports(MemoryLedger(lost.clock), lost.artifacts, lost.publisher, lost.clock))
    assert refused == {OWN: f"the object {object_keys.run(OWN)} is about {run.id}"}


FORGED = {
    "no data": {"name": "x"},
    "no name": {"data": "{}"},
    "not JSON": {"name": "x", "data": "{"},
    "not a number": {"name": "x", "data": '{"loss": NaN}'},
    "a list": {"name": "x", "data": "[]"},
    "nested": {"name": "x", "data": '{"a": {"b": 1}}'},
    "nested too deeply": {"name": "x", "data": "[" * 100_000},
    "a name of two lines": {"name": "x\ndata: y", "data": "{}"},
    "huge data": {"name": "x", "data": '{"a": "' + "x" * (2 << 20) + '"}'},
}


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_event_is_named_and_hides_no_other(ledger_url: str, what: str) -> None:
    ledger = RedisLedger(ledger_url)
    run = create_run(Ports(ledger, MemoryArtifacts(), RecordingPublisher(), ManualClock()), Plan())
    fields: Any = FORGED[what]
    with redis.Redis.from_url(ledger_url) as client:
        client.xadd(run_keys(run.id).events, fields)
        client.xadd(run_keys(run.id).events, fields, id="9999999999999999999-0")
    names = [event.name for event in ledger.events(run.id)]
    assert names == ["run_created", DAMAGED_EVENT, DAMAGED_EVENT]
