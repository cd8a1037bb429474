"""What every store of API keys promises: one key for each name, the day of its last use, and its end."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime, timedelta

import pytest
import redis

from fedface_core.access.permissions import Identity
from fedface_core.adapters.memory import MemoryApiKeys
from fedface_core.adapters.redis.api_keys import API_KEYS, USED_ON, RedisApiKeys
from fedface_core.domain.api_key import ApiKey, new_api_key
from fedface_core.domain.errors import (
    DamagedObjectError,
    FedFaceError,
    KeyExistsError,
    NotFoundError,
    TooManyKeysError,
    UnknownSchemaError,
)
from fedface_core.domain.role import Role
from fedface_core.ports import ApiKeys
from support.guarded_servers import Broker
from support.redis_states import configured

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def key(name: str = "ci") -> ApiKey:
    return new_api_key(name, (Role.OPERATOR,), now=NOW, days=90, made_by="key:first")[0]


@pytest.fixture(params=["memory", "valkey", "redis"])
def keys(request: pytest.FixtureRequest) -> ApiKeys:
    if request.param == "memory":
        return MemoryApiKeys()
    if request.param == "valkey":
        return RedisApiKeys(request.getfixturevalue("ledger_url"))
    url: str = request.getfixturevalue("redis_url")
    with redis.Redis.from_url(url) as server:
        server.delete(API_KEYS, USED_ON)
    return RedisApiKeys(url)


def test_a_stored_key_is_found_as_it_is(keys: ApiKeys) -> None:
    keys.add(key())
    stored = keys.find(key().id)
    assert stored is not None
    found, used_on = stored
    assert (found.name, found.roles, found.made_by, found.expires_at) == (
        "ci",
        (Role.OPERATOR,),
        "key:first",
        NOW + timedelta(days=90),
    )
    assert used_on is None


def test_a_key_that_nobody_made_is_not_found(keys: ApiKeys) -> None:
    assert keys.find("0" * 16) is None
    with pytest.raises(NotFoundError, match="there is no key 0000"):
        keys.delete("0" * 16)


def test_a_name_has_one_key(keys: ApiKeys) -> None:
    first = key()
    keys.add(first)
    with pytest.raises(KeyExistsError, match="there is a key named 'ci'"):
        keys.add(key())
    assert keys.find(first.id) == (first, None)


def test_of_many_at_once_one_is_stored(keys: ApiKeys) -> None:
    def added(made: ApiKey) -> bool:
        try:
            keys.add(made)
        except KeyExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(added, [key() for _ in range(16)])) == 1
    assert len(keys.all()) == 1


def test_the_last_day_of_use_is_kept_and_ends_with_the_key(keys: ApiKeys) -> None:
    made = key()
    keys.add(made)
    keys.note_use(made.id, date(2026, 11, 27))
    keys.note_use(made.id, date(2026, 11, 28))
    assert keys.find(made.id) == (made, date(2026, 11, 28))
    keys.delete(made.id)
    assert keys.find(made.id) is None
    keys.add(made)
    assert keys.find(made.id) == (made, None)


def test_a_deletion_is_on_the_disk_before_it_is_told(guarded_broker: Broker, capsys: pytest.CaptureFixture[str]) -> None:
    """Else a power cut would bring a deleted key back. The API's own user may wait for it."""
    keys = RedisApiKeys(guarded_broker.url(Identity.CONTROL), timeout_seconds=60.0)
    keys.add(key())
    # However busy the disk is: the write itself waits for it, so that WAITAOF finds it done.
    with closing(guarded_broker.operator()) as operator, configured(operator, "appendfsync", "always"):
        operator.config_resetstat()
        keys.delete(key().id)
        waited = operator.info("commandstats")["cmdstat_waitaof"]
    assert (waited["calls"], waited["failed_calls"]) == (1, 0)
    assert "not_on_disk" not in capsys.readouterr().out


def test_keys_are_listed_by_name(keys: ApiKeys) -> None:
    for name in ("zoe", "ann", "ci"):
        keys.add(key(name))
    assert [found.name for found, _ in keys.all()] == ["ann", "ci", "zoe"]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("memory", "redis"):
        monkeypatch.setattr(f"fedface_core.adapters.{module}.api_keys.MOST_KEYS", 2)


@pytest.mark.usefixtures("few")
def test_there_is_a_most(keys: ApiKeys) -> None:
    keys.add(key("ann"))
    keys.add(key("ben"))
    with pytest.raises(TooManyKeysError, match="there are 2 keys; delete those that nobody uses"):
        keys.add(key("cem"))
    keys.delete(key("ann").id)
    keys.add(key("cem"))


DAMAGES: dict[str, tuple[Callable[[str], str], type[FedFaceError], str]] = {
    "no JSON": (lambda record: record[:-1], DamagedObjectError, "^this is no ApiKey: Invalid JSON: "),
    "another version": (
        lambda record: record.replace('"schema_version":1', '"schema_version":2'),
        UnknownSchemaError,
        "^schema version 2 of ApiKey is not known here: ",
    ),
    "more": (
        lambda record: record.replace("{", '{"all_roles":true,', 1),
        DamagedObjectError,
        "^this is no ApiKey: all_roles: there is no such field$",
    ),
    "the record of another key": (
        lambda record: key("ben").model_dump_json(),
        DamagedObjectError,
        f"^the record under {key().id} is that of the key {key('ben').id}$",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_record_keeps_nobody_from_the_other_keys(ledger_url: str, damage: str) -> None:
    change, error, message = DAMAGES[damage]
    keys = RedisApiKeys(ledger_url)
    made = key()
    keys.add(made)
    keys.add(key("zoe"))
    with redis.Redis.from_url(ledger_url, decode_responses=True) as server:
        server.hset(API_KEYS, made.id, change(made.model_dump_json()))
    with pytest.raises(error, match=message):
        keys.find(made.id)
    assert [found.name for found, _ in keys.all()] == ["zoe"]
    keys.delete(made.id)
    assert keys.find(made.id) is None
