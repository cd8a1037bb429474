"""Sign-in of a real API process on a real Valkey: the documented commands, and that no secret is in its log."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from fedface_stack.children import Children
from fedface_stack.embedded_servers import HOST, responds_ok
from fedface_stack.local_ports import free_ports
from support.oidc_issuer import AUDIENCE, SmallIssuer, serving_issuer
from support.servers import wait_for

PAGE = Path(__file__).parents[2] / "docs/sign-in.md"
FIRST_KEY = "fa11ed0dadf00d5c0ffee0ddba11ca11ab1e5eed"
METRICS_KEY = "0b5e55ed5ca1ab1e0ddba11f1ea5ca1eab1e5ca7"


@dataclass(frozen=True)
class Api:
    url: str
    log: Path
    issuer: SmallIssuer


@pytest.fixture(scope="module")
def api(server_processes: Children, valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    home = tmp_path_factory.mktemp("api")
    (port,) = free_ports(1)
    (home / "first").write_text(f"{FIRST_KEY}\n")
    with serving_issuer() as issuer:
        settings = {
            "FEDFACE_REDIS_URL": f"{valkey_url.removesuffix('/0')}/7",  # a database without keys of other tests
            "FEDFACE_ARTIFACTS": "directory",
            "FEDFACE_ARTIFACT_DIRECTORY": str(home / "artifacts"),
            "FEDFACE_API_PORT": str(port),
            "FEDFACE_API_FIRST_KEY_FILE": str(home / "first"),
            "FEDFACE_API_METRICS_KEY": METRICS_KEY,
            "FEDFACE_OIDC_ISSUER": issuer.url,
            "FEDFACE_OIDC_AUDIENCE": AUDIENCE,
            "FEDFACE_OIDC_CLIENT_ID": "",  # as compose gives what .env leaves out
            "FEDFACE_LOG_LEVEL": "DEBUG",
        }
        api = Api(f"http://{HOST}:{port}", home / "api.log", issuer)
        command = [sys.executable, "-P", "-m", "fedface_control.api"]
        process = server_processes.start(command, {**os.environ, **settings}, api.log)
        try:
            wait_for("the API", lambda: responds_ok(f"{api.url}/healthz"))
            yield api
        finally:
            server_processes.stop([process], grace_seconds=10)


@pytest.fixture
def client(api: Api) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=api.url, trust_env=False, timeout=30) as opened:
        yield opened


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_the_documented_commands_work(api: Api) -> None:
    commands = re.findall(r"^\$ (curl .*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(commands) == 4
    environment = {"PATH": os.environ["PATH"], "FEDFACE_API_URL": api.url, "FEDFACE_TOKEN": FIRST_KEY, "NO_PROXY": "*"}
    answers = [
        subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, check=False, timeout=60)
        for command in commands
    ]
    assert [answer.returncode for answer in answers] == [0] * 4, [answer.stderr + answer.stdout for answer in answers]
    me, made, listed, deleted = (answer.stdout for answer in answers)
    assert json.loads(me)["actor"] == "key:first"
    assert json.loads(made)["key"].startswith("ff_")
    assert [key["name"] for key in json.loads(listed)["keys"]] == ["ci"]
    assert deleted == ""


def test_prometheus_reads_the_metrics_with_its_key_and_nothing_else(client: httpx.Client) -> None:
    assert client.get("/metrics").status_code == 401
    assert "http_requests_total" in client.get("/metrics", headers=bearer(METRICS_KEY)).text
    assert client.get("/v1/runs", headers=bearer(METRICS_KEY)).status_code == 403


def test_a_person_signs_in_with_the_issuers_token(api: Api, client: httpx.Client) -> None:
    token = api.issuer.token(roles=["operator"], sub="ann")
    assert client.get("/v1/me", headers=bearer(token)).json()["actor"] == "oidc:ann"
    assert client.post("/v1/restore", headers=bearer(token)).status_code == 403


def test_no_secret_is_in_the_log_nor_in_an_answer(api: Api, client: httpx.Client) -> None:
    made = client.post("/v1/keys", json={"name": "shy", "roles": ["viewer"]}, headers=bearer(FIRST_KEY)).json()["key"]
    token = api.issuer.token(sub="shy")
    credentials = [FIRST_KEY, METRICS_KEY, made, token, made[:-1] + "A", token[:-4] + "AAAA"]
    answers = []
    for credential in credentials:
        for headers in (bearer(credential), {"Authorization": f"Basic {credential}"}, {"Authorization": credential}):
            answers += [client.get(path, headers=headers).text for path in ("/v1/me", "/runs/none", "/nothing")]
        answers.append(client.get(f"/v1/me?token={credential}").text)
    log = api.log.read_text()
    assert "sign_in_failed" in log
    assert '"actor": "key:first"' in log
    secrets = [FIRST_KEY, METRICS_KEY, made.split("_", 2)[2][:20], *token.split(".")]
    assert [secret for secret in secrets if secret in log] == []
    assert [secret for secret in secrets for answer in answers if secret in answer] == []
