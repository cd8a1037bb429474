"""The errors of the real adapters if their server is away, refuses our credentials or is full: soon, with the setting."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from minio import Minio
from minio.deleteobjects import DeleteError
from pydantic import SecretStr

from fedface_core.adapters import s3
from fedface_core.adapters.celery import CeleryPublisher
from fedface_core.adapters.memory import ManualClock
from fedface_core.adapters.redis.ledger import RedisLedger
from fedface_core.adapters.s3 import S3Artifacts
from fedface_core.domain.commands import Sweep
from fedface_core.domain.errors import InvalidInputError, UnavailableError
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import open_round
from fedface_core.domain.run import Run, RunPhase
from fedface_core.domain.update import AcceptedUpdate
from fedface_core.runtime.celery_app import create_celery
from fedface_core.runtime.settings import Settings
from fedface_stack.local_ports import free_ports
from support.faults import SECRET, unavailable_within
from support.redis_states import REFUSING_WRITES, busy, configured
from support.servers import S3Server

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def refusing_port() -> int:
    """A port where nothing listens."""
    (port,) = free_ports(1)
    return port


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=64)) as server:
        yield server.getsockname()[1]


def test_ledger_with_a_wrong_password(valkey_url: str) -> None:
    host = urlsplit(valkey_url).netloc.rpartition("@")[2]
    with unavailable_within(10, rf"{re.escape(host)} refuses our credentials; correct the password in FEDFACE_REDIS_URL"):
        RedisLedger(f"redis://:{SECRET}@{host}/0").ping()


def test_ledger_without_a_password(valkey_url: str) -> None:
    host = urlsplit(valkey_url).netloc.rpartition("@")[2]
    with unavailable_within(10, "FEDFACE_REDIS_URL"):
        RedisLedger(f"redis://{host}/0").runs()


def test_ledger_that_refuses_connections(refusing_port: int) -> None:
    with unavailable_within(10, rf"127\.0\.0\.1:{refusing_port} does not answer.*FEDFACE_REDIS_URL"):
        RedisLedger(f"redis://:{SECRET}@127.0.0.1:{refusing_port}/0").load("run-0123456789ab")


def test_ledger_that_never_answers(silent_port: int) -> None:
    ledger = RedisLedger(f"redis://:{SECRET}@127.0.0.1:{silent_port}/0", timeout_seconds=0.2)
    with unavailable_within(10, rf"127\.0\.0\.1:{silent_port} does not answer"):
        ledger.touch("run-0123456789ab", 1)


REMEDIES = {
    "NOREPLICAS": "too few of its replicas follow it",
    "READONLY": "let FEDFACE_REDIS_URL name the primary",
    "OOM": "raise its maxmemory",
    "MISCONF": "free space on its disk",
}


@pytest.mark.parametrize("server", ["valkey", "redis"])
@pytest.mark.parametrize("state", REFUSING_WRITES)
def test_ledger_and_broker_that_refuse_writes(
    request: pytest.FixtureRequest, tmp_path: Path, server: str, state: str
) -> None:
    url = urlsplit(request.getfixturevalue(f"{server}_url"))._replace(path="/9").geturl()
    run = Run(id="run-0123456789ab", plan=Plan(), phase=RunPhase.RUNNING, round=1, correlation_id="abc", created_at=NOW)
    one = client_id(1)
    update = AcceptedUpdate(sha256="0" * 64, size=1, images=1)
    ledger = RedisLedger(url, clock=ManualClock(NOW))
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        ledger.create(run)
        stored = ledger.save(run, "round_opened", opened=open_round(run.plan, run.id, 1, (one,), "0" * 64, NOW))
        uses: list[Callable[[], object]] = [
            ledger.ping,
            lambda: ledger.create(run.model_copy(update={"id": "run-0123456789ac"})),
            lambda: ledger.save(stored, "run_paused"),
            lambda: ledger.record_event(run.id, "waiting", {}),
            lambda: ledger.begin_attempt(run.id, 1, one),
            lambda: ledger.record_partial(run.id, 1, 0),
            lambda: ledger.touch(run.id, 1),
        ]
        if state != "OOM":  # Redis lets a script go on, whole, whose first write frees memory
            uses += [
                lambda: ledger.accept(run.id, 1, one, update),
                lambda: ledger.fail(run.id, 1, one, "no photographs"),
            ]
        with REFUSING_WRITES[state](client):
            for use in uses:
                with unavailable_within(10, f"cannot serve us now: .*{REMEDIES[state]}"):
                    use()
            with publisher_to(url, tmp_path) as publisher, unavailable_within(15, REMEDIES[state]):
                publisher.publish(Sweep(), correlation_id="abc")
        ledger.ping()
        assert (ledger.load(run.id), ledger.tally(run.id, 1).unsettled) == (stored, frozenset({one}))
        assert client.keys("*nothing*") == [], "a ping leaves nothing"


@pytest.mark.parametrize("server", ["valkey", "redis"])
def test_ledger_and_broker_that_somebody_keeps_busy(request: pytest.FixtureRequest, tmp_path: Path, server: str) -> None:
    url = urlsplit(request.getfixturevalue(f"{server}_url"))._replace(path="/9").geturl()
    with redis.Redis.from_url(url) as client, busy(client):
        with unavailable_within(10, "BUSY .*; somebody's script runs in it"):
            RedisLedger(url).ping()
        with publisher_to(url, tmp_path) as publisher, unavailable_within(15, "somebody's script"):
            publisher.publish(Sweep(), correlation_id="abc")


def test_ledger_with_a_database_that_the_server_lacks(valkey_url: str) -> None:
    with unavailable_within(10, "DB index is out of range; correct the database at the end of FEDFACE_REDIS_URL"):
        RedisLedger(urlsplit(valkey_url)._replace(path="/99").geturl()).ping()


def test_ledger_whose_user_may_not_do_all(valkey_url: str) -> None:
    host = urlsplit(valkey_url).netloc.rpartition("@")[2]
    with redis.Redis.from_url(valkey_url) as client:
        client.acl_setuser("reader", enabled=True, passwords=f"+{SECRET}", keys="*", categories=["+read", "+connection"])
        try:
            with unavailable_within(10, "allow the user in FEDFACE_REDIS_URL all commands"):
                RedisLedger(f"redis://reader:{SECRET}@{host}/9").ping()
        finally:
            client.acl_deluser("reader")


def test_ledger_with_too_many_clients(valkey_url: str) -> None:
    with (
        redis.Redis.from_url(valkey_url) as client,
        configured(client, "maxclients", 1),
        unavailable_within(10, "max number of clients reached; raise its maxclients"),
    ):
        RedisLedger(valkey_url).ping()


@pytest.mark.parametrize("url", ["", f"http://:{SECRET}@host", f"redis://:{SECRET}@host:port/0", SECRET])
def test_a_url_that_is_no_redis_url_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(InvalidInputError, match="FEDFACE_REDIS_URL is not of the form redis://") as caught:
        RedisLedger(url)
    assert SECRET not in str(caught.value)


def publisher_at(port: int, directory: Path) -> AbstractContextManager[CeleryPublisher]:
    return publisher_to(f"redis://:{SECRET}@127.0.0.1:{port}/0", directory)


@contextmanager
def publisher_to(url: str, directory: Path) -> Iterator[CeleryPublisher]:
    settings = Settings(redis_url=SecretStr(url), artifacts="directory", artifact_directory=directory)
    with create_celery(settings) as app:
        yield CeleryPublisher(app, timeout_seconds=0.2)


def test_broker_that_refuses_connections(refusing_port: int, tmp_path: Path) -> None:
    with publisher_at(refusing_port, tmp_path) as publisher:
        with unavailable_within(15, rf"127\.0\.0\.1:{refusing_port}.*FEDFACE_REDIS_URL"):
            publisher.publish(Sweep(), correlation_id="abc")
        with unavailable_within(10, rf"127\.0\.0\.1:{refusing_port} does not answer"):
            publisher.queue_depth("client")


def test_broker_that_never_answers(silent_port: int, tmp_path: Path) -> None:
    with publisher_at(silent_port, tmp_path) as publisher, unavailable_within(15, rf"127\.0\.0\.1:{silent_port}"):
        publisher.publish(Sweep(), correlation_id="abc")


def test_broker_with_a_wrong_password(valkey_url: str, tmp_path: Path) -> None:
    port = urlsplit(valkey_url).port
    assert port is not None
    with publisher_at(port, tmp_path) as publisher, unavailable_within(15, "FEDFACE_REDIS_URL"):
        publisher.publish(Sweep(), correlation_id="abc")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"secret_key": SECRET}, "refuses the signature; correct FEDFACE_S3_SECRET_KEY"),
        ({"access_key": "stranger"}, "does not know the access key; correct FEDFACE_S3_ACCESS_KEY"),
        ({"bucket": "not-there"}, "no bucket 'not-there'; correct FEDFACE_S3_BUCKET"),
    ],
    ids=["secret", "access key", "bucket"],
)
def test_s3_names_the_wrong_setting(s3_server: S3Server, changed: dict[str, Any], message: str) -> None:
    store = replace(s3_server, **changed).artifacts()
    for use in (store.ping, lambda: store.put("a/b", b"x"), lambda: store.keys("a/"), lambda: store.page("", "", 1)):
        with unavailable_within(10, f"{re.escape(s3_server.endpoint)} refuses us: .*{message}"):
            use()


def test_s3_never_takes_a_refusal_for_a_missing_artifact(s3_server: S3Server) -> None:
    store = replace(s3_server, secret_key=SECRET).artifacts()
    for read in (store.get, store.size):
        with unavailable_within(10, "FEDFACE_S3_SECRET_KEY"):
            read("a/b")


def test_s3_makes_its_bucket_once(s3_server: S3Server) -> None:
    store = replace(s3_server, bucket="fedface-made").artifacts()
    with unavailable_within(10, "FEDFACE_S3_BUCKET"):
        store.ping()
    store.ensure_bucket()
    store.ensure_bucket()
    store.put("a", b"x")
    assert store.get("a") == b"x"


def test_s3_that_refuses_connections(refusing_port: int) -> None:
    store = S3Artifacts(f"127.0.0.1:{refusing_port}", "fedface", "key", SECRET)
    with unavailable_within(20, rf"127\.0\.0\.1:{refusing_port} does not answer.*FEDFACE_S3_ENDPOINT"):
        store.ping()


def test_s3_that_never_answers(silent_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "READ_SECONDS", 0.2)
    store = S3Artifacts(f"127.0.0.1:{silent_port}", "fedface", "key", SECRET)
    with unavailable_within(20, rf"127\.0\.0\.1:{silent_port} does not answer"):
        store.get("a/b")


def test_s3_that_keeps_some_of_many(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = DeleteError("AccessDenied", "it is locked", "a/b", None)
    monkeypatch.setattr(Minio, "remove_objects", lambda *_: iter([kept]))
    with pytest.raises(UnavailableError, match="did not remove a/b: it is locked"):
        s3_server.artifacts().delete_all(["a/a", "a/b"])


class _Timeless(BaseHTTPRequestHandler):
    """Answers without a date."""

    def do_HEAD(self) -> None:
        self.send_response_only(404)
        self.send_header("Content-Length", "0")
        self.end_headers()


def test_s3_that_does_not_say_what_time_it_is() -> None:
    with HTTPServer(("127.0.0.1", 0), _Timeless) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        store = S3Artifacts(f"127.0.0.1:{server.server_port}", "fedface", "key", SECRET)
        with unavailable_within(20, "does not say what time it is: its answers have no header Date"):
            store.now()
        server.shutdown()


class _Full(BaseHTTPRequestHandler):
    """Answers as MinIO does if its disk is full (the error is from MinIO's api-errors.go)."""

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b"<Error><Code>XMinioStorageFull</Code><Message>Storage backend has reached its minimum</Message></Error>"
        self.send_response(507)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_s3_with_a_full_disk() -> None:
    with HTTPServer(("127.0.0.1", 0), _Full) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        store = S3Artifacts(f"127.0.0.1:{server.server_port}", "fedface", "key", SECRET)
        with unavailable_within(20, "refuses us: its disk is full; free some space"):
            store.put("a/b", b"x")
        server.shutdown()


@pytest.mark.parametrize("endpoint", ["http://minio:9000/path", "user:pw~ 1@minio:9000", "minio:9000/?password=pw~1"])
def test_an_endpoint_that_is_no_host_and_port_is_refused(endpoint: str) -> None:
    with pytest.raises(InvalidInputError, match="FEDFACE_S3_ENDPOINT must be host:port") as refused:
        S3Artifacts(endpoint, "fedface", "key", SECRET)
    assert "pw~" not in str(refused.value)
