"""With every proxy variable set, what speaks HTTP to this machine reaches it, and a proxy elsewhere is used and named."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

from fedface_stack.embedded_servers import responds_ok
from support.api_by_hand import ByHand
from support.command_line import Invoke
from support.servers import S3Server

SETTINGS = [
    {"NO_PROXY": "localhost,fd00::/8"},
    {"ALL_PROXY": "socks5://127.0.0.1:9"},
    {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"},
    {"HTTP_PROXY": "nonsense", "ALL_PROXY": "http://[::1", "NO_PROXY": "["},
]


@pytest.fixture(params=SETTINGS, ids=lambda setting: "+".join(setting))
def proxied(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    for kind in ("http", "https", "all", "no"):
        for name in (f"{kind}_proxy", f"{kind}_proxy".upper()):
            monkeypatch.delenv(name, raising=False)
    for name, value in request.param.items():
        monkeypatch.setenv(name, value)
    return dict(request.param)


def test_the_command_reaches_an_api_on_this_machine(proxied: dict[str, str], api: ByHand, fedface: Invoke) -> None:
    run_id = api.completed()
    code, out, err = fedface("run", "list")
    assert (code, err) == (0, "")
    assert run_id in out
    assert fedface("run", "watch", run_id)[0] == 0


def test_the_local_stack_sees_that_its_services_are_ready(proxied: dict[str, str], api: ByHand) -> None:
    assert responds_ok(f"{api.url}/healthz")


def test_the_artifact_store_is_asked_directly(proxied: dict[str, str], s3_server: S3Server) -> None:
    store = s3_server.artifacts()
    store.put("proxies/one", b"1")
    assert store.get("proxies/one") == b"1"
    store.delete("proxies/one")


class Proxy(http.server.BaseHTTPRequestHandler):
    """Refuses to serve whoever does not say who they are, as proxies of companies do."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_error(407)

    def log_message(self, *_arguments: object) -> None:
        """Nothing."""


@pytest.fixture
def proxy() -> Iterator[str]:
    Proxy.asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_api_elsewhere_is_asked_through_the_proxy(proxy: str, fedface: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDFACE_API_URL", "http://control.example:8000")
    monkeypatch.setenv("HTTP_PROXY", f"http://user:pw~1@{proxy}")
    code, _, err = fedface("run", "list")
    assert Proxy.asked == ["http://control.example:8000/v1/runs?limit=50"]
    assert (code, "pw~1" in err) == (2, False)
    assert f"through the proxy http://***@{proxy} of HTTP_PROXY answered 407 Proxy Authentication Required" in err
