"""A server that may evict any key is refused; one that does not tell is taken for a safe one, with a warning."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
import redis
import structlog

from fedface_core.domain.errors import EvictingLedgerError
from fedface_core.runtime.redis_server import check_server, eviction_policy, warn_of_unknown_policy
from support.redis_states import busy, configured


@pytest.fixture
def server(ledger_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(ledger_url, decode_responses=True) as client:
        yield client


@contextmanager
def as_user(server: redis.Redis, url: str, rule: str) -> Iterator[redis.Redis]:
    """A client of a user who may run all commands but those that ``rule`` takes away."""
    everything = ["+@all", rule]
    server.acl_setuser("limited", enabled=True, passwords="+own", keys="*", channels="*", commands=everything, reset=True)
    place = urlsplit(url)
    with redis.Redis.from_url(f"redis://limited:own@{place.hostname}:{place.port}{place.path}") as client:
        try:
            yield client
        finally:
            server.acl_deluser("limited")


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu", "allkeys-random"])
def test_a_server_that_may_evict_any_key_is_refused(server: redis.Redis, policy: str) -> None:
    with (
        configured(server, "maxmemory-policy", policy),
        pytest.raises(EvictingLedgerError, match=f"the maxmemory-policy {policy}: .* set maxmemory-policy noeviction"),
    ):
        check_server(server)


@pytest.mark.parametrize("policy", ["noeviction", "volatile-lru", "volatile-ttl"])
def test_a_server_that_keeps_keys_without_an_expiry_is_accepted(server: redis.Redis, policy: str) -> None:
    with configured(server, "maxmemory-policy", policy):
        check_server(server)
    assert server.dbsize() == 0, "nothing is written"


def test_a_server_that_forbids_config_tells_its_policy_in_info(server: redis.Redis, ledger_url: str) -> None:
    with as_user(server, ledger_url, "-config") as limited, configured(server, "maxmemory-policy", "allkeys-lru"):
        with pytest.raises(redis.ResponseError):
            limited.config_get("maxmemory-policy")
        with pytest.raises(EvictingLedgerError):
            check_server(limited)


def test_a_server_that_does_not_tell_its_policy_is_warned_of_once(server: redis.Redis, ledger_url: str) -> None:
    warn_of_unknown_policy.cache_clear()
    with as_user(server, ledger_url, "-info") as limited, structlog.testing.capture_logs() as logs:
        check_server(limited)
        check_server(limited)
    assert [(record["event"], record["log_level"]) for record in logs] == [("eviction_policy_unknown", "warning")]


def test_a_server_that_cannot_answer_now_is_not_taken_for_one_that_does_not_tell(
    server: redis.Redis, ledger_url: str
) -> None:
    with (
        redis.Redis.from_url(ledger_url) as other,
        busy(other),
        pytest.raises(redis.ResponseError, match="BUSY"),
    ):
        eviction_policy(server)
