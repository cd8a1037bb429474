"""API keys on a real Valkey whose users are those of the table: who may read them, and what is told of them."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry
from redis.exceptions import NoPermissionError

from fedface_control.api.app import create_app
from fedface_control.auth.limits import KEY_PREFIX, counts_in_redis
from fedface_core.access.permissions import Identity
from fedface_core.access.secret_names import with_redis_user
from fedface_core.adapters.redis.api_keys import API_KEYS, USED_ON, RedisApiKeys
from fedface_core.domain.role import Role
from support.control_rounds import Control
from support.guarded_servers import Broker
from support.signing_in import FIRST_KEY, bearer, closed_sign_in

OTHERS = [identity for identity in with_redis_user() if identity is not Identity.CONTROL]


@pytest.fixture
def api(broker: Broker) -> Iterator[TestClient]:
    """The API with the rights of control, and no more."""
    url = broker.url(Identity.CONTROL)
    sign_in = closed_sign_in(keys=RedisApiKeys(url), counts=counts_in_redis(url), requests=30, failures=5)
    with TestClient(create_app(Control.empty().ports, CollectorRegistry(), sign_in)) as client:
        yield client


def make(api: TestClient, name: str = "ann", **more: Any) -> dict[str, Any]:
    answer = api.post("/v1/keys", json={"name": name, "roles": ["viewer"]} | more, headers=bearer(FIRST_KEY))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_a_key_is_made_used_listed_and_deleted(api: TestClient) -> None:
    made = make(api)
    assert api.get("/v1/me", headers=bearer(made["key"])).json()["actor"] == "key:ann"
    (listed,) = api.get("/v1/keys", headers=bearer(FIRST_KEY)).json()["keys"]
    assert listed["last_used"] is not None
    assert listed | {"last_used": None} == {name: value for name, value in made.items() if name != "key"}
    assert api.delete(f"/v1/keys/{made['id']}", headers=bearer(FIRST_KEY)).status_code == 204
    assert api.get("/v1/me", headers=bearer(made["key"])).status_code == 401, "at once"


def test_redis_holds_no_secret(api: TestClient, broker: Broker) -> None:
    secret = make(api)["key"].split("_", 2)[2]
    with broker.operator() as server:
        records = str(server.hgetall(API_KEYS))
    assert secret not in records
    assert "ann" in records


@pytest.mark.parametrize("identity", OTHERS)
def test_no_other_service_reads_or_makes_keys_or_counts(api: TestClient, broker: Broker, identity: Identity) -> None:
    key = make(api)
    with broker.connect(identity) as own:
        actions: list[Callable[[], object]] = [
            lambda: own.hgetall(API_KEYS),
            lambda: own.hget(API_KEYS, key["id"]),
            lambda: own.hset(API_KEYS, key["id"], "{}"),
            lambda: own.hdel(API_KEYS, key["id"]),
            lambda: own.delete(API_KEYS),
            lambda: own.hset(USED_ON, key["id"], "2026-01-01"),
            lambda: own.set(f"{KEY_PREFIX}:requests", 0),
            lambda: own.eval("return redis.call('HGETALL', KEYS[1])", 1, API_KEYS),
        ]
        for action in actions:
            with pytest.raises(NoPermissionError):
                action()


def test_counts_are_in_redis_under_no_name(api: TestClient, broker: Broker) -> None:
    make(api)
    with broker.operator() as server:
        counts = [*server.scan_iter(f"{KEY_PREFIX}*")]
        assert len(counts) == 1
        assert "first" not in counts[0]
        assert 0 < server.ttl(counts[0]) <= 60


def test_a_flood_of_guesses_is_slowed_and_a_flood_of_requests_too(api: TestClient) -> None:
    guesses = [api.get("/v1/me", headers=bearer(f"ff_{number:016x}_{'a' * 43}")).status_code for number in range(8)]
    assert guesses == [401] * 5 + [429] * 3
    asked = [api.get("/v1/me", headers=bearer(FIRST_KEY)).status_code for _ in range(32)]
    assert asked == [200] * 30 + [429] * 2


def test_limits_stand_while_redis_is_away(broker: Broker) -> None:
    nowhere = "redis://127.0.0.1:1/0"
    sign_in = closed_sign_in(counts=counts_in_redis(nowhere), requests=3)
    with TestClient(create_app(Control.empty().ports, CollectorRegistry(), sign_in)) as api:
        asked = [api.get("/v1/me", headers=bearer(FIRST_KEY)).status_code for _ in range(5)]
    assert asked == [200] * 3 + [429] * 2


def test_digests_are_compared_in_a_time_that_tells_nothing(api: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each comparison of a secret goes through `hmac.compare_digest`, and compares digests of one length."""
    compared: list[tuple[int, int]] = []
    honest = hmac.compare_digest

    def noting(one: Any, other: Any) -> bool:
        compared.append((len(one), len(other)))
        return honest(one, other)

    made = make(api)
    monkeypatch.setattr("hmac.compare_digest", noting)
    api.get("/v1/me", headers=bearer(made["key"]))
    api.get("/v1/me", headers=bearer(made["key"][:-1] + "_"))
    api.get("/v1/me", headers=bearer("f"))
    assert sorted(compared) == [(32, 32)] * 3 + [(64, 64)] * 2


BAD_KEYS: dict[str, dict[str, Any]] = {
    "no roles": {"roles": []},
    "an unknown role": {"roles": ["root"]},
    "for ever": {"days": 100_000},
    "for no time": {"days": 0},
    "a name of two lines": {"name": "ann\nkey:ben"},
    "a name that looks like an issuer's": {"name": "oidc:ann"},
    "a name without end": {"name": "a" * 100},
    "a secret of one's own": {"secret_sha256": "0" * 64},
}


@pytest.mark.parametrize("case", BAD_KEYS)
def test_a_wrong_key_is_refused_by_field(api: TestClient, case: str) -> None:
    wanted = {"name": "ann", "roles": ["viewer"]} | BAD_KEYS[case]
    answer = api.post("/v1/keys", json=wanted, headers=bearer(FIRST_KEY))
    assert answer.status_code == 422
    assert answer.json()["errors"]


def test_a_name_is_taken_once_and_the_settings_names_never(api: TestClient) -> None:
    make(api)
    for name in ("ann", "first", "metrics"):
        answer = api.post("/v1/keys", json={"name": name, "roles": ["admin"]}, headers=bearer(FIRST_KEY))
        assert (answer.status_code, answer.json()["title"]) == (409, "Key exists")


def test_a_key_makes_no_better_key(api: TestClient) -> None:
    operator = make(api, roles=[role for role in Role if role is not Role.ADMIN])
    answer = api.post("/v1/keys", json={"name": "ben", "roles": ["admin"]}, headers=bearer(operator["key"]))
    assert answer.status_code == 403


def test_a_record_that_somebody_has_written_by_hand_is_not_believed(api: TestClient, broker: Broker) -> None:
    ann = make(api)
    ben = make(api, "ben", roles=["admin"])
    with broker.operator() as server:
        record = server.hget(API_KEYS, ben["id"])
        assert isinstance(record, str)
        server.hset(API_KEYS, ann["id"], record)  # ben's roles for who knows ben's secret, under ann's id
    answer = TestClient(api.app, raise_server_exceptions=False).get("/v1/me", headers=bearer(ann["key"]))
    assert answer.status_code == 500
    assert "is that of the key" in answer.json()["detail"]


def test_redis_that_goes_away_is_a_503(api: TestClient, broker: Broker) -> None:
    made = make(api)
    sign_in = closed_sign_in(keys=RedisApiKeys("redis://127.0.0.1:1/0", timeout_seconds=0.2))
    with TestClient(create_app(Control.empty().ports, CollectorRegistry(), sign_in)) as away:
        answer = away.get("/v1/me", headers=bearer(made["key"]))
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0


def test_the_table_gives_what_the_api_needs_and_no_more(broker: Broker) -> None:
    with broker.connect(Identity.CONTROL) as own:
        for command in (("GET", "fedface-api:else"), ("KEYS", "fedface-api:*"), ("DEL", API_KEYS)):
            with pytest.raises(NoPermissionError):
                own.execute_command(*command)
