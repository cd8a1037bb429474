"""Redis, S3, the API and the metrics over TLS, with an authority of one's own: what is wrong is told by its cause.

Of Redis, tests/integration/test_redis_tls.py has what ledger, publisher and worker send.
"""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from fedface_cli.api_client import ControlApi
from fedface_core.adapters.redis.ledger import RedisLedger
from fedface_core.adapters.s3 import S3Artifacts
from fedface_core.domain.errors import InvalidInputError, UnavailableError
from fedface_core.runtime.redis_url import trusting
from fedface_stack.children import Children
from fedface_stack.embedded_servers import HOST, ProcessSpec
from fedface_stack.local_ports import free_ports
from support.servers import running
from support.signing import keys_in_environment
from support.tls_servers import SECRET, Certificates, certificates_in, redis_with_tls, s3_with_tls

WRONG = {
    "ended": "its certificate has ended: renew it",
    "for_others": "its certificate is for other names",
}
OF_TLS_1_2 = b"\x16\x03\x01"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates_in(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def redis_port(
    certificates: Certificates, server_processes: Children, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    home = tmp_path_factory.mktemp("redis")
    (port,) = free_ports(1)
    with running(server_processes, redis_with_tls(home, port, certificates.good, certificates.authority), home):
        yield port


@pytest.fixture(scope="module")
def s3_port(
    certificates: Certificates, server_processes: Children, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    home = tmp_path_factory.mktemp("s3")
    master, volume, filer, s3 = free_ports(4)
    with running(
        server_processes, s3_with_tls(home, (master, volume, filer, s3), certificates.good, certificates.authority), home
    ):
        yield s3


def redis_url(port: int) -> str:
    return f"rediss://:{SECRET}@{HOST}:{port}/0"


def store(port: int, authority: Path | None, host: str = HOST) -> S3Artifacts:
    return S3Artifacts(f"{host}:{port}", "fedface", "tests", SECRET, secure=True, authorities=authority)


# ---- Redis --------------------------------------------------------------------------------------------------------------


def test_the_ledger_trusts_the_authority_of_the_setting_and_no_other(redis_port: int, certificates: Certificates) -> None:
    RedisLedger(trusting(redis_url(redis_port), certificates.authority)).ping()
    with pytest.raises(UnavailableError, match="name the file of the authority that did in FEDFACE_REDIS_CA_FILE"):
        RedisLedger(trusting(redis_url(redis_port), certificates.other_authority)).ping()


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_certificate_of_redis_is_told_by_its_cause(
    kind: str, certificates: Certificates, server_processes: Children, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    spec = redis_with_tls(tmp_path, port, getattr(certificates, kind), certificates.authority)
    with running(server_processes, spec, tmp_path), pytest.raises(UnavailableError, match=WRONG[kind]):
        RedisLedger(trusting(redis_url(port), certificates.authority)).ping()


# ---- S3 -----------------------------------------------------------------------------------------------------------------


def test_artifacts_are_put_and_got_over_tls(s3_port: int, certificates: Certificates) -> None:
    artifacts = store(s3_port, certificates.authority)
    artifacts.put("models/a", b"bytes")
    assert artifacts.get("models/a") == b"bytes"


@pytest.mark.parametrize("authority", ["other_authority", None])
def test_an_s3_server_that_nobody_vouches_for_is_not_used(
    s3_port: int, certificates: Certificates, authority: str | None
) -> None:
    named = None if authority is None else getattr(certificates, authority)
    with pytest.raises(UnavailableError, match="name the file of the authority that did in FEDFACE_S3_CA_FILE"):
        store(s3_port, named).ping()


def test_an_s3_server_that_speaks_tls_is_not_spoken_to_in_clear(s3_port: int) -> None:
    with pytest.raises(UnavailableError):
        S3Artifacts(f"{HOST}:{s3_port}", "fedface", "tests", SECRET).ping()


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_certificate_of_s3_is_told_by_its_cause(kind: str, certificates: Certificates) -> None:
    """A server that only shakes hands is enough: no byte of ours follows."""
    pair = getattr(certificates, kind)
    with shaking_hands(pair.certificate, pair.key) as port, pytest.raises(UnavailableError, match=WRONG[kind]):
        store(port, certificates.authority).ping()


@contextmanager
def shaking_hands(certificate: Path, key: Path) -> Iterator[int]:
    """The port of a server of TLS that says nothing after the handshake."""
    program = (
        "import socket, ssl, sys\n"
        "context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n"
        "context.load_cert_chain(*sys.argv[1:])\n"
        "listener = socket.create_server(('127.0.0.1', 0))\n"
        "print(listener.getsockname()[1], flush=True)\n"
        "while True:\n"
        "    connection, _ = listener.accept()\n"
        "    connection.settimeout(5)\n"
        "    try:\n"
        "        context.wrap_socket(connection, server_side=True).recv(1)\n"
        "    except OSError:\n"
        "        connection.close()\n"
    )
    command = [sys.executable, "-c", program, str(certificate), str(key)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield int(server.stdout.readline())
        finally:
            server.kill()


# ---- the services -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def services(
    certificates: Certificates,
    redis_port: int,
    s3_port: int,
    server_processes: Children,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[int, int]]:
    """The ports of an API and of the metrics of a sweep, which speak TLS with everything and everybody."""
    home = tmp_path_factory.mktemp("services")
    (home / "redis-url").write_text(f"{redis_url(redis_port)}\n")
    api_port, metrics_port = free_ports(2)
    settings = {
        "FEDFACE_REDIS_URL_FILE": str(home / "redis-url"),
        "FEDFACE_REDIS_CA_FILE": str(certificates.authority),
        "FEDFACE_ARTIFACTS": "s3",
        "FEDFACE_S3_ENDPOINT": f"{HOST}:{s3_port}",
        "FEDFACE_S3_ACCESS_KEY": "tests",
        "FEDFACE_S3_SECRET_KEY": SECRET,
        "FEDFACE_S3_SECURE": "true",
        "FEDFACE_S3_CA_FILE": str(certificates.authority),
        "FEDFACE_API_PORT": str(api_port),
        "FEDFACE_API_OPEN": "true",
        "FEDFACE_METRICS_PORT": str(metrics_port),
    }
    for server in ("API", "METRICS"):
        settings[f"FEDFACE_{server}_TLS_CERTIFICATE_FILE"] = str(certificates.good.certificate)
        settings[f"FEDFACE_{server}_TLS_KEY_FILE"] = str(certificates.good.key)
    specs = [
        service("api", "fedface_control.api", settings, f"https://{HOST}:{api_port}/readyz", certificates),
        service("sweep", "fedface_control.worker", settings, f"https://{HOST}:{metrics_port}/metrics", certificates),
    ]
    with running(server_processes, specs[0], home), running(server_processes, specs[1], home):
        yield api_port, metrics_port


def service(name: str, module: str, settings: Mapping[str, str], url: str, certificates: Certificates) -> ProcessSpec:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FEDFACE_")}
    inherited |= keys_in_environment()

    def is_ready() -> bool:
        try:
            return httpx.get(url, verify=trusted(certificates), timeout=2, trust_env=False).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    return ProcessSpec(
        name, (sys.executable, "-P", "-m", module), is_ready, {**inherited, **keys_in_environment(), **settings}
    )


def trusted(certificates: Certificates) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificates.authority)


def test_the_command_speaks_to_the_api_over_tls(
    services: tuple[int, int], certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    for host in (HOST, "localhost"):
        with ControlApi(f"https://{host}:{services[0]}") as api:
            assert api.runs().runs == []


def test_the_command_says_why_it_does_not_trust_the_api(
    services: tuple[int, int], certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.other_authority))
    with ControlApi(f"https://{HOST}:{services[0]}") as api, pytest.raises(UnavailableError) as told:
        api.runs()
    assert "cannot be trusted" in str(told.value)
    assert "name the file of the authority that did in SSL_CERT_FILE" in str(told.value)
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")
    with pytest.raises(InvalidInputError, match="SSL_CERT_FILE"):
        ControlApi(f"https://{HOST}:{services[0]}")


def test_metrics_are_scraped_over_tls_and_not_in_clear(services: tuple[int, int], certificates: Certificates) -> None:
    for port in services:
        url = f"{HOST}:{port}/metrics"
        assert "fedface_" in httpx.get(f"https://{url}", verify=trusted(certificates), trust_env=False).text
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://{url}", trust_env=False, timeout=5)


def test_who_connects_and_says_nothing_does_not_keep_others_from_the_metrics(
    services: tuple[int, int], certificates: Certificates
) -> None:
    """prometheus_client shakes hands with one client before it takes the next."""
    with (
        closing(socket.create_connection((HOST, services[1]))),
        closing(socket.create_connection((HOST, services[1]))) as half,
    ):
        half.sendall(OF_TLS_1_2)
        started = time.monotonic()
        answer = httpx.get(f"https://{HOST}:{services[1]}/metrics", verify=trusted(certificates), trust_env=False, timeout=5)
        assert answer.status_code == httpx.codes.OK
        assert time.monotonic() - started < 5


def test_a_service_with_a_wrong_certificate_stops_with_one_line(certificates: Certificates, tmp_path: Path) -> None:
    settings = {
        "FEDFACE_REDIS_URL": "redis://:own@127.0.0.1:1/0",
        "FEDFACE_ARTIFACTS": "directory",
        "FEDFACE_ARTIFACT_DIRECTORY": str(tmp_path),
        "FEDFACE_API_TLS_CERTIFICATE_FILE": str(certificates.ended.certificate),
        "FEDFACE_API_TLS_KEY_FILE": str(certificates.ended.key),
    }
    spec = service("api", "fedface_control.api", settings, "", certificates)
    stopped = subprocess.run(spec.command, env=spec.environment, capture_output=True, text=True, timeout=60, check=False)
    assert stopped.returncode == 78
    (line,) = stopped.stderr.splitlines()
    assert line.startswith("settings: FEDFACE_API_TLS_CERTIFICATE_FILE is ")
    assert line.endswith("ended.crt, which ended on 2020-01-02: renew it")
