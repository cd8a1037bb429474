"""docker-compose.tls.yml, started by Docker: a run completes, everybody speaks TLS, and nobody anything else."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from support.compose_project import SYNTHETIC, Project, keep_logs, started

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    failed_before = request.session.testsfailed
    with started(tmp_path_factory.mktemp("compose-tls"), 1, ["docker-compose.tls.yml"]) as made:
        yield made
        if request.session.testsfailed > failed_before:
            keep_logs(made)


def test_a_run_completes_over_tls(project: Project) -> None:
    ended = project.run_to_its_end(SYNTHETIC)
    assert ended.round == SYNTHETIC.rounds


def test_prometheus_scrapes_each_service_over_tls(project: Project) -> None:
    jobs = ("control", "sweep", "client", "aggregator", "evaluator")
    project.wait_for_values("sum by (job) (up)", {json.dumps({"job": job}): 1.0 for job in jobs})
    assert project.query("ALERTS{alertstate='firing'}") == {}


def test_the_api_is_trusted_by_the_authority_of_the_deployment_alone(project: Project) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{project.api_url}/healthz", trust_env=False)
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(project.api_url.replace("https:", "http:"), trust_env=False)


# Asks each server in clear, as somebody would whose settings lack TLS, and prints who answered.
IN_CLEAR = """
import socket
asked = {"redis": (6379, b"PING\\r\\n"), "minio": (9000, b"GET / HTTP/1.0\\r\\n\\r\\n")}
for host, (port, request) in asked.items():
    with socket.create_connection((host, port), 5) as connection:
        connection.sendall(request)
        try:
            answer = connection.recv(100)
        except ConnectionError:
            answer = b""
    if answer.startswith((b"+PONG", b"-NOAUTH", b"HTTP/1.1 2", b"HTTP/1.1 403", b"HTTP/1.0 2")):
        print(host, answer)
"""


def test_the_stores_answer_nobody_in_clear(project: Project) -> None:
    assert project.must("exec", "-T", "client", "python", "-c", IN_CLEAR) == ""


def test_only_the_service_of_certificates_has_the_key_of_the_authority(project: Project) -> None:
    for container in project.containers():
        mounted = {mount.get("Name", "").removeprefix(f"{project.name}_") for mount in container["Mounts"]}
        assert "tls-authority" not in mounted, container["Name"]
