"""What a put sends to an S3 server: one request with the parts as they are, signed without its body."""

from __future__ import annotations

import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from urllib3 import BaseHTTPResponse, PoolManager

from fedface_core.adapters import s3
from fedface_core.adapters.s3 import SENT_AT_ONCE_BYTES, S3Artifacts
from fedface_core.adapters.signed_artifacts import SignedArtifacts
from fedface_core.contracts import object_keys
from fedface_core.domain.errors import UnavailableError
from fedface_core.signing.errors import SignatureError
from fedface_core.signing.keys import own_keys
from fedface_core.signing.life import working_for
from support.servers import S3Server

MIB = 2**20


@dataclass
class FakeS3:
    """What was put, and the statuses of the next answers; once there are none left, each is 200."""

    port: int = 0
    statuses: list[int] = field(default_factory=list)
    puts: list[tuple[str, Message, bytes]] = field(default_factory=list)
    read: Callable[[Any, int], bytes] = lambda body, size: body.read(size)

    def store(self) -> S3Artifacts:
        return S3Artifacts(f"127.0.0.1:{self.port}", "fedface", "key", "secret")


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, fake: FakeS3, *request: Any) -> None:
        self._fake = fake
        super().__init__(*request)

    def do_PUT(self) -> None:
        body = self._fake.read(self.rfile, int(self.headers["Content-Length"]))
        self._fake.puts.append((self.path, self.headers, body))
        self.send_response(self._fake.statuses.pop(0) if self._fake.statuses else 200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def fake() -> Iterator[FakeS3]:
    with _serving(FakeS3()) as fake:
        yield fake


@contextmanager
def _serving(fake: FakeS3) -> Iterator[FakeS3]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Answers, fake)) as server:
        fake.port = server.server_port
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield fake
        server.shutdown()


def test_a_put_is_one_request_that_is_signed_without_its_body(fake: FakeS3) -> None:
    large = bytes(range(256)) * (40 * MIB // 256)
    fake.store().put("runs/a/object", large, b"", memoryview(b"end"))
    ((path, headers, body),) = fake.puts
    assert path == "/fedface/runs/a/object"
    assert body == large + b"end"
    assert headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
    assert headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=key/")
    assert "Content-MD5" not in headers


def test_the_parts_are_not_joined(fake: FakeS3) -> None:
    parts = [bytes(8 * MIB) for _ in range(4)]

    def read_in_pieces(body: Any, size: int) -> bytes:
        while size:
            size -= len(body.read(min(MIB, size)))
        return b""

    fake.read = read_in_pieces
    store = fake.store()
    store.put("small", b"x")  # what the first request alone needs
    tracemalloc.start()
    try:
        store.put("large", *parts)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * MIB  # the fake server's own reading is in it


def test_a_put_that_is_repeated_sends_the_whole_object_again(fake: FakeS3) -> None:
    fake.statuses = [503, 200]
    data = bytes(range(256)) * (3 * SENT_AT_ONCE_BYTES // 256)
    fake.store().put("key", data, b"end")
    assert [body for _, _, body in fake.puts] == [data + b"end"] * 2


def test_a_large_object_may_take_longer_than_the_wait_for_a_connection(
    fake: FakeS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "CONNECT_SECONDS", 1.0)
    monkeypatch.setattr(s3, "RETRIES", 0)

    def slowly(body: Any, size: int) -> bytes:
        read = bytearray()
        while len(read) < size:
            read += body.read(min(4 * MIB, size - len(read)))
            time.sleep(0.15)
        return bytes(read)

    fake.read = slowly
    fake.store().put("key", bytes(64 * MIB))
    assert len(fake.puts[0][2]) == 64 * MIB


def test_an_answer_of_no_s3_server_is_told(fake: FakeS3) -> None:
    fake.statuses = [404]
    with pytest.raises(UnavailableError, match=r"does not speak S3 .*check FEDFACE_S3_ENDPOINT"):
        fake.store().put("key", b"x")


def test_a_body_that_was_damaged_on_its_way_is_noticed_by_its_reader(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server cannot notice it: no hash of the body is in the request."""
    key = object_keys.update("run-000000000001", 1, "client-000001")
    artifacts = SignedArtifacts(s3_server.artifacts(), own_keys())
    urlopen = PoolManager.urlopen

    def damaging(connections: PoolManager, method: str, url: str, **options: Any) -> BaseHTTPResponse:
        if method == "PUT":
            options["body"] = [b"damaged", *options["body"][1:]]
        return urlopen(connections, method, url, **options)

    with working_for("life"):
        artifacts.put(key, b"correct", b" bytes")
        assert artifacts.get(key) == b"correct bytes"
        monkeypatch.setattr(PoolManager, "urlopen", damaging)
        artifacts.put(key, b"correct", b" bytes")
        with pytest.raises(SignatureError, match=key):
            artifacts.get(key)
