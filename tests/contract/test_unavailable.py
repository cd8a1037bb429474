"""The errors of the real adapters if their server is away, refuses our credentials or is full: soon, with the setting."""

from __future__ import annotations

import re
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from minio import Minio
from minio.deleteobjects import DeleteError
from pydantic import SecretStr

from fedface_core.adapters import s3
from fedface_core.adapters.celery import CeleryPublisher
from fedface_core.adapters.redis.ledger import RedisLedger
from fedface_core.adapters.s3 import S3Artifacts
from fedface_core.domain.commands import Sweep
from fedface_core.domain.errors import InvalidInputError, UnavailableError
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import Run
from fedface_core.runtime.celery_app import create_celery
from fedface_core.runtime.settings import Settings
from fedface_stack.children import Children
from fedface_stack.embedded_servers import valkey
from fedface_stack.local_ports import free_ports
from support.faults import SECRET, unavailable_within
from support.servers import S3Server, running, wait_for

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def refusing_port() -> int:
    """A port where nothing listens."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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


def test_ledger_and_broker_out_of_memory(ledger_url: str, tmp_path: Path) -> None:
    run = Run(id="run-0123456789ab", plan=Plan(), correlation_id="abc", created_at=NOW)
    with redis.Redis.from_url(ledger_url) as server:
        server.config_set("maxmemory", 1)
        try:
            with unavailable_within(10, "cannot serve us now.*; raise its maxmemory"):
                RedisLedger(ledger_url).create(run)
            with publisher_to(ledger_url, tmp_path) as publisher, unavailable_within(15, "raise its maxmemory"):
                publisher.publish(Sweep(), correlation_id="abc")
        finally:
            server.config_set("maxmemory", 0)


@contextmanager
def without_a_disk(server: redis.Redis) -> Iterator[None]:
    """Until the end of the block the server cannot write its snapshot, since a directory has the name of the file."""
    snapshot = Path(str(server.config_get("dir")["dir"])) / "dump.rdb"
    (snapshot / "in the way").mkdir(parents=True)
    server.config_set("save", "3600 1")
    try:
        server.bgsave()
        wait_for("the snapshot to fail", lambda: server.info("persistence")["rdb_last_bgsave_status"] == "err")
        yield
    finally:
        shutil.rmtree(snapshot)
        server.config_set("save", "")
        server.bgsave()
        wait_for("the snapshot", lambda: server.info("persistence")["rdb_last_bgsave_status"] == "ok")


def test_ledger_and_broker_that_cannot_write_their_disk(ledger_url: str, tmp_path: Path) -> None:
    run = Run(id="run-0123456789ab", plan=Plan(), correlation_id="abc", created_at=NOW)
    message = "cannot serve us now: .*MISCONF .*; free space on its disk"
    with redis.Redis.from_url(ledger_url, decode_responses=True) as server, without_a_disk(server):
        with unavailable_within(10, message):
            RedisLedger(ledger_url).create(run)
        with publisher_to(ledger_url, tmp_path) as publisher, unavailable_within(15, message):
            publisher.publish(Sweep(), correlation_id="abc")


def test_ledger_that_is_a_replica(server_processes: Children, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with running(server_processes, valkey(tmp_path, port, "tests-own"), tmp_path):
        url = f"redis://:tests-own@127.0.0.1:{port}/0"
        with redis.Redis.from_url(url) as server:
            server.config_set("replica-serve-stale-data", "yes")
            server.replicaof("127.0.0.1", str(port + 1))
        run = Run(id="run-0123456789ab", plan=Plan(), correlation_id="abc", created_at=NOW)
        with unavailable_within(10, "FEDFACE_REDIS_URL name the primary"):
            RedisLedger(url).create(run)


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
def test_s3_names_the_wrong_setting(s3_server: S3Server, changed: dict[str, str], message: str) -> None:
    store = replace(s3_server, **changed).artifacts()
    for use in (store.ping, lambda: store.put("a/b", b"x"), lambda: store.keys("a/")):
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


def test_an_endpoint_that_is_no_host_and_port_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="FEDFACE_S3_ENDPOINT must be host:port"):
        S3Artifacts("http://minio:9000/path", "fedface", "key", SECRET)
