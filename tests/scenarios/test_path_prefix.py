"""The API behind a reverse proxy that offers it under a path prefix and strips the prefix."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from prometheus_client import CollectorRegistry

from fedface_cli.api_client import ControlApi
from fedface_control.api.app import create_app
from fedface_control.operate.run import cancel_run
from fedface_core.adapters.memory import MemoryArtifacts, MemoryLedger, RecordingPublisher
from fedface_core.adapters.system_clock import SystemClock
from fedface_core.ports import Ports
from support.api_by_hand import PLAN
from support.open_sign_in import open_sign_in
from support.served_app import served


class Proxy(BaseHTTPRequestHandler):
    """Passes on what lies under the prefix, without the prefix; all else does not exist."""

    prefix: str
    behind: str

    def pass_on(self) -> None:
        if not self.path.startswith(f"{self.prefix}/"):
            self.send_error(404)
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        url = self.behind + self.path.removeprefix(self.prefix)
        answer = httpx.request(self.command, url, content=body, headers=dict(self.headers), trust_env=False)
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            if name not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    do_GET = pass_on
    do_POST = pass_on

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def ports() -> Ports:
    clock = SystemClock()
    return Ports(ledger=MemoryLedger(clock), artifacts=MemoryArtifacts(), publisher=RecordingPublisher(), clock=clock)


# The second one is a path of the API itself.
@pytest.fixture(scope="module", params=["/fedface", "/v1/runs", "/a/b-c"])
def url(request: pytest.FixtureRequest, ports: Ports) -> Iterator[str]:
    """The API's URL at the proxy."""
    with served(create_app(ports, CollectorRegistry(), open_sign_in()), root_path=request.param) as behind:
        handler = type("ThisProxy", (Proxy,), {"prefix": request.param, "behind": behind})
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as proxy:
            serving = threading.Thread(target=proxy.serve_forever)
            serving.start()
            yield f"http://127.0.0.1:{proxy.server_port}{request.param}"
            proxy.shutdown()
            serving.join()


def test_the_documentation_asks_for_its_schema_under_the_prefix(url: str) -> None:
    page = httpx.URL(f"{url}/docs")
    prefix = httpx.URL(url).path
    links = re.findall(r'(?:src|href)="(docs/[^"]+)"', httpx.get(page).text)
    assert len(links) == 3
    for link in links:
        assert httpx.get(page.join(link)).status_code == 200, link
    assert 'url: "openapi.json"' in httpx.get(page.join("docs/show_document.js")).text
    described = httpx.get(page.join("openapi.json")).json()
    assert [server["url"] for server in described["servers"]] == [prefix], "where the page's own requests go"
    assert "/v1/runs/{run_id}" in described["paths"]


def test_the_root_and_the_paths_without_a_version_lead_to_places_under_the_prefix(url: str) -> None:
    assert httpx.get(f"{url}/", follow_redirects=True).url == f"{url}/docs"
    assert httpx.get(f"{url}/runs?limit=3", follow_redirects=True).url == f"{url}/v1/runs?limit=3"


def test_the_place_of_a_new_run_is_where_the_client_finds_it(url: str) -> None:
    created = httpx.post(f"{url}/v1/runs", json=PLAN.model_dump(mode="json"))
    run_id = created.json()["id"]
    cloned = httpx.post(f"{url}/v1/runs/{run_id}/clone", json={})
    for answer in (created, cloned):
        found = httpx.get(httpx.URL(url).join(answer.headers["Location"]))
        assert found.json()["id"] == answer.json()["id"]


def test_a_path_with_a_slash_too_many_leads_back_under_the_prefix(url: str) -> None:
    redirect = httpx.get(f"{url}/healthz/")
    assert redirect.headers["Location"] == f"{url}/healthz"


def test_the_command_line_works_through_the_proxy(url: str, ports: Ports) -> None:
    with ControlApi(url) as api:
        run = api.start(api.create(PLAN).id)
        assert api.run(run.id).phase == "preparing"
        cancel_run(ports, run.id)
        assert [event.name for event in api.events(run.id)][-1] in ("run_cancelled", "progress")


def test_requests_are_measured_by_route(url: str) -> None:
    httpx.get(f"{url}/v1/runs")
    assert 'handler="/v1/runs",method="GET"' in httpx.get(f"{url}/metrics").text
