"""The table at the top of `fedface_core.adapters.redis.keys` names every key that the ledger keeps in Redis."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import redis

from fedface_core.adapters.memory import ManualClock
from fedface_core.adapters.redis import keys
from fedface_core.adapters.redis.ledger import RedisLedger
from fedface_core.domain.deposit import Deposit
from fedface_core.domain.devices import Wait
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import RoundPhase, open_round
from fedface_core.domain.run import Run
from fedface_core.domain.update import AcceptedUpdate

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLAN = Plan.model_validate({"split": {"clients": 3}, "cohort": {"shard_size": 1}})
COHORT = tuple(client_id(index) for index in range(3))
RUN = Run(id="run-0123456789ab", plan=PLAN, correlation_id="abc", created_at=NOW)


@pytest.fixture
def server(ledger_url: str) -> Iterator[redis.Redis]:
    """The ledger's own database."""
    with redis.Redis.from_url(ledger_url, decode_responses=True) as client:
        yield client


@pytest.fixture
def ledger(ledger_url: str) -> RedisLedger:
    """A ledger with a run that has used every key there is."""
    ledger = RedisLedger(ledger_url, clock=ManualClock(NOW))
    deleted = RUN.model_copy(update={"id": "run-0000000dead0"})
    ledger.create(deleted)
    ledger.delete(deleted.id)
    ledger.create(RUN)
    ledger.save(RUN, "round_opened", opened=open_round(PLAN, RUN.id, 12, COHORT, "0" * 64, NOW))
    # As Redis, and not the plan, sees it: a round of this plan has no masks, and never comes to this phase.
    sharing = open_round(PLAN, RUN.id, 12, COHORT, "0" * 64, NOW).replace(phase=RoundPhase.SHARING)
    ledger.save(ledger.load(RUN.id), "phase", changed=sharing)
    ledger.record_deposit(RUN.id, 12, Deposit.KEY_BUNDLE, COHORT[0], "1" * 64)
    ledger.save(ledger.load(RUN.id), "phase", changed=sharing.replace(phase=RoundPhase.OPEN))
    ledger.begin_attempt(RUN.id, 12, COHORT[0])
    ledger.begin_wait(RUN.id, 12, COHORT[0], Wait.TRAINING, 1)
    ledger.accept(RUN.id, 12, COHORT[0], AcceptedUpdate(sha256="1" * 64, size=1, images=1))
    ledger.fail(RUN.id, 12, COHORT[1], "no photographs")
    ledger.record_late(RUN.id, 12, COHORT[2])
    ledger.record_partial(RUN.id, 12, 0)
    ledger.record_failure(RUN.id, None, "control.sweep", "KeyError")
    ledger.record_failure(RUN.id, 12, "aggregator.reduce_round", "KeyError")
    ledger.undelivered_runs("0123456789abcdef", [RUN.id])
    ledger.mark_delivered("0123456789abcdef", RUN.id, "1-0")
    return ledger


# A key, its type, and the rest of its row, with the lines below whose first two columns are empty.
ROW = re.compile(
    r"^    ((?:\{run\}|runs|active|deleted|leftovers|receivers)\S*) +"
    r"(hash|set|sorted set|stream|string) (.*\n(?: {40}.*\n)*)",
    re.MULTILINE,
)


def documented_types() -> dict[str, str]:
    """Key → type."""
    rows = [(key, kind) for key, kind, _ in ROW.findall(keys.__doc__ or "")]
    assert len(dict(rows)) == len(rows), "a key has two rows"
    return dict(rows)


def documented_name(key: str) -> str:
    return key.removeprefix("fedface:").replace(f"{{{RUN.id}}}", "{run}").replace(":round:12", ":round:{n}")


def test_each_key_is_in_the_table_with_its_type(server: redis.Redis, ledger: RedisLedger) -> None:
    types = {"zset": "sorted set"}
    stored = {documented_name(str(key)): types.get(kind := str(server.type(key)), kind) for key in server.keys("*")}
    assert stored == documented_types()


@pytest.mark.parametrize("key", [keys.run_keys(RUN.id).run, keys.round_keys(RUN.id, 12).round], ids=["run", "round"])
def test_each_field_of_a_record_is_in_its_row(server: redis.Redis, ledger: RedisLedger, key: str) -> None:
    (row,) = [text for found, _, text in ROW.findall(keys.__doc__ or "") if found == documented_name(key)]
    fields = [str(field) for field in server.hkeys(key)]
    assert fields
    assert [field for field in fields if not re.search(rf"\b{field}\b", row)] == []


def test_a_deleted_run_leaves_no_key(server: redis.Redis, ledger: RedisLedger) -> None:
    ledger.delete(RUN.id)
    assert sorted(server.keys("*")) == ["fedface:deleted", "fedface:leftovers", "fedface:receivers"], "of all runs"
