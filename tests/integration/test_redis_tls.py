"""rediss:// is TLS for the ledger and the broker, with a certificate that is checked. Nothing is sent in clear."""

from __future__ import annotations

import dataclasses
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import SecretStr
from redis import SSLConnection

from fedface_core.adapters.celery import CeleryPublisher
from fedface_core.adapters.redis.ledger import RedisLedger
from fedface_core.contracts.tasks import CLIENT, CONTROL
from fedface_core.domain.commands import Sweep
from fedface_core.domain.errors import UnavailableError
from fedface_core.domain.ids import client_id
from fedface_core.runtime.celery_app import create_celery
from fedface_core.runtime.settings import Settings
from fedface_stack.children import Children
from fedface_stack.embedded_servers import HOST, valkey
from fedface_stack.local_ports import free_ports
from support.faults import SECRET, unavailable_within
from support.required_parts import redis_server, required_binary
from support.servers import running
from support.task_queue import TaskQueue

TLS_HANDSHAKE = 0x16


@dataclasses.dataclass(frozen=True)
class TlsServer:
    """A Redis that speaks only TLS, and the file of the authority that signed its certificate."""

    port: int
    authority: Path

    def url(self, parameters: str) -> str:
        """The URL of its database 0."""
        return f"rediss://:{SECRET}@{HOST}:{self.port}/0{parameters}"

    @property
    def trusted(self) -> str:
        """The URL that names the authority."""
        return self.url(f"?ssl_ca_certs={quote(str(self.authority))}")


@pytest.fixture(scope="module")
def server(server_processes: Children, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    binary = redis_server()
    openssl = required_binary("openssl", "openssl", "redis")
    home = tmp_path_factory.mktemp("tls")
    key = home / "key.pem"
    certificate = home / "certificate.pem"
    request = f"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={HOST}"
    names = ["-addext", f"subjectAltName=IP:{HOST}", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([openssl, *request.split(), *names], check=True, capture_output=True, timeout=60)
    (port,) = free_ports(1)
    spec = valkey(home, port, SECRET)
    assert spec.directory is not None
    configuration = spec.directory / "valkey.conf"
    tls = f"port 0\ntls-port {port}\ntls-cert-file {certificate}\ntls-key-file {key}\ntls-auth-clients no\n"
    configuration.write_text(configuration.read_text().replace(f"port {port}\n", tls))
    server = TlsServer(port, certificate)

    def answers() -> bool:
        try:
            RedisLedger(server.trusted).ping()
        except UnavailableError:
            return False
        return True

    spec = dataclasses.replace(spec, command=(*spec.command[:-1], binary), is_ready=answers)
    with running(server_processes, spec, home):
        yield server


def use_ledger(url: str) -> None:
    RedisLedger(url, timeout_seconds=2.0).ping()


def use_publisher(url: str) -> None:
    settings = settings_of(url)
    with create_celery(settings) as app:
        CeleryPublisher(app, timeout_seconds=2.0).publish(Sweep(), correlation_id="abc")


def use_consumer(url: str) -> None:
    with create_celery(settings_of(url)) as app, app.connection_for_read() as connection:
        try:
            connection.transport.establish_connection()
        except connection.connection_errors as error:
            raise UnavailableError(str(error)) from error


def settings_of(url: str) -> Settings:
    return Settings(redis_url=SecretStr(url), artifacts="directory", artifact_directory=Path("/artifacts"))


USES: list[Callable[[str], None]] = [use_ledger, use_publisher, use_consumer]


def test_ledger_publisher_and_a_worker_speak_tls(server: TlsServer, server_processes: Children, tmp_path: Path) -> None:
    for use in USES:
        use(server.trusted)
    with create_celery(settings_of(server.trusted)) as app, app.connection_for_read() as connection:
        connection.connect()
        channel: Any = connection.default_channel
        assert all(issubclass(pool.connection_class, SSLConnection) for pool in (channel.pool, channel.async_pool))
        assert CeleryPublisher(app).queue_depth(CONTROL) == 1
    queue = TaskQueue(server_processes, server.trusted, tmp_path)
    try:
        queue.work(1, **{client_id(1): 0.01})
        queue.publish((client_id(1),))
        queue.await_lines(f"{client_id(1)} finished")
        assert queue.broker.llen(CLIENT) == 0
    finally:
        queue.close()


@pytest.mark.parametrize("use", USES)
def test_a_certificate_that_nobody_trusts_is_refused(server: TlsServer, use: Callable[[str], None]) -> None:
    with unavailable_within(20, "CERTIFICATE_VERIFY_FAILED"):
        use(server.url(""))
    use(server.url("?ssl_cert_reqs=none"))


@pytest.mark.parametrize("use", USES)
def test_nothing_is_sent_in_clear(use: Callable[[str], None]) -> None:
    """A listener that only records what comes first."""
    received: list[bytes] = []
    with closing(socket.create_server((HOST, 0))) as listener:
        port = listener.getsockname()[1]

        def record() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:  # the listener was closed
                    return
                with connection:
                    received.append(connection.recv(4096))

        recorder = threading.Thread(target=record, daemon=True)
        recorder.start()
        with pytest.raises(UnavailableError):
            use(f"rediss://:{SECRET}@{HOST}:{port}/0")
        listener.shutdown(socket.SHUT_RDWR)
    recorder.join(10)
    assert received
    assert {first[0] for first in received} == {TLS_HANDSHAKE}
    assert SECRET.encode() not in b"".join(received)
