"""What the real adapters say when their server is away, refuses us or is out of room: soon, and naming the setting."""

from __future__ import annotations

import errno
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import kombu.pools
import pytest
import redis
from pydantic import SecretStr

from fedface_core.adapters import s3_artifacts
from fedface_core.adapters.celery_publisher import CeleryPublisher
from fedface_core.adapters.local_artifacts import LocalArtifacts
from fedface_core.adapters.redis_ledger import RedisLedger
from fedface_core.adapters.s3_artifacts import S3Artifacts
from fedface_core.domain.commands import Sweep
from fedface_core.domain.errors import InvalidInputError, UnavailableError
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import Run
from fedface_core.runtime.celery_app import create_celery
from fedface_core.runtime.settings import Settings
from support.servers import S3Server

SECRET = "never-to-be-shown"
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


@contextmanager
def unavailable_within(seconds: float, saying: str) -> Iterator[None]:
    """Expects `UnavailableError` with a message that matches, in time, and without the secret in it or in what caused it."""
    started = time.monotonic()
    with pytest.raises(UnavailableError, match=saying) as caught:
        yield
    assert time.monotonic() - started < seconds
    assert SECRET not in str(caught.value) + repr(caught.value.__cause__)


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
        ledger.touch("run-0123456789ab", 1, NOW)


def test_ledger_out_of_memory(ledger_url: str) -> None:
    run = Run(id="run-0123456789ab", plan=Plan(), correlation_id="abc", created_at=NOW)
    with redis.Redis.from_url(ledger_url) as server:
        server.config_set("maxmemory", 1)
        try:
            with unavailable_within(10, "cannot serve us now.*maxmemory"):
                RedisLedger(ledger_url).create(run)
        finally:
            server.config_set("maxmemory", 0)


@pytest.mark.parametrize("url", ["", f"http://:{SECRET}@host", f"redis://:{SECRET}@host:port/0", SECRET])
def test_what_is_no_redis_url_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(InvalidInputError, match="FEDFACE_REDIS_URL is not of the form redis://") as caught:
        RedisLedger(url)
    assert SECRET not in str(caught.value)


@contextmanager
def publisher_at(port: int, directory: Path) -> Iterator[CeleryPublisher]:
    url = f"redis://:{SECRET}@127.0.0.1:{port}/0"
    settings = Settings(redis_url=SecretStr(url), artifacts="directory", artifact_directory=directory)
    with create_celery(settings) as app:
        app.conf.broker_transport_options |= {"socket_timeout": 0.2, "socket_connect_timeout": 0.2}
        yield CeleryPublisher(app)
        kombu.pools.reset()


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
    ("changed", "saying"),
    [
        ({"secret_key": SECRET}, "refuses the signature; correct FEDFACE_S3_SECRET_KEY"),
        ({"access_key": "stranger"}, "does not know the access key; correct FEDFACE_S3_ACCESS_KEY"),
        ({"bucket": "not-there"}, "no bucket 'not-there'; correct FEDFACE_S3_BUCKET"),
    ],
    ids=["secret", "access key", "bucket"],
)
def test_s3_names_the_wrong_setting(s3_server: S3Server, changed: dict[str, str], saying: str) -> None:
    store = replace(s3_server, **changed).artifacts()
    for use in (store.ping, lambda: store.put("a/b", b"x"), lambda: store.keys("a/")):
        with unavailable_within(10, f"{re.escape(s3_server.endpoint)} refuses us: .*{saying}"):
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
    monkeypatch.setattr(s3_artifacts, "READ_SECONDS", 0.2)
    store = S3Artifacts(f"127.0.0.1:{silent_port}", "fedface", "key", SECRET)
    with unavailable_within(20, rf"127\.0\.0\.1:{silent_port} does not answer"):
        store.get("a/b")


def test_what_is_no_s3_endpoint_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="FEDFACE_S3_ENDPOINT must be host:port"):
        S3Artifacts("http://minio:9000/path", "fedface", "key", SECRET)


def test_a_full_disk_leaves_the_old_object_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalArtifacts(tmp_path)
    store.put("a/b", b"old")

    def no_space(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_space)
        with unavailable_within(5, rf"cannot use {tmp_path}/a/b for artifacts: No space left on device"):
            store.put("a/b", b"new")
    assert store.get("a/b") == b"old"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["b"]


def test_a_put_that_was_killed_is_never_listed(tmp_path: Path) -> None:
    store = LocalArtifacts(tmp_path)
    (tmp_path / "~incoming" / "tmp1234").write_bytes(b"half")
    assert store.keys("") == []


def test_a_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with unavailable_within(5, rf"{tmp_path}/file/.*FEDFACE_ARTIFACT_DIRECTORY"):
        LocalArtifacts(tmp_path / "file" / "artifacts")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_directory_that_may_not_be_written(tmp_path: Path) -> None:
    store = LocalArtifacts(tmp_path)
    (tmp_path / "~incoming").chmod(0o500)
    for use in (store.ping, lambda: store.put("a", b"x")):
        with unavailable_within(5, rf"cannot use {tmp_path}.*Permission denied"):
            use()
