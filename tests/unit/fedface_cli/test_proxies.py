"""Which proxy is used for which API, and what is said of a proxy that cannot be used."""

from __future__ import annotations

import sys

import httpx
import pytest

from fedface_cli.api_client import ControlApi
from fedface_cli.proxies import ProxySetting, proxy_for
from fedface_core.domain.errors import InvalidInputError, UnavailableError

VARIABLES = [f"{kind}_proxy" for kind in ("http", "https", "all", "no")]
LOOPBACK = ["http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000", "http://127.1.2.3", "http://0.0.0.0:8000"]


@pytest.fixture(autouse=True)
def _no_proxy_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize("url", LOOPBACK)
@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9", "nonsense://", "http://[::1", "a b"])
def test_an_api_on_loopback_is_asked_without_a_proxy(url: str, proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, proxy)
    monkeypatch.setenv("NO_PROXY", "localhost,fd00::/8,[")
    assert proxy_for(httpx.URL(url)) is None
    with ControlApi(url) as api:
        assert api.where == url


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({}, "http://control:8000", None),
        ({"HTTP_PROXY": "http://p:1"}, "http://control:8000", ProxySetting("http://p:1", "HTTP_PROXY")),
        ({"http_proxy": "p:1"}, "http://control:8000", ProxySetting("http://p:1", "http_proxy")),
        ({"HTTP_PROXY": "http://p:1"}, "https://control:8000", None),
        ({"ALL_PROXY": "http://p:1"}, "https://control", ProxySetting("http://p:1", "ALL_PROXY")),
        ({"HTTP_PROXY": "http://p:1", "ALL_PROXY": "q"}, "http://control", ProxySetting("http://p:1", "HTTP_PROXY")),
        ({"HTTP_PROXY": "p", "NO_PROXY": "*"}, "http://control", None),
        ({"HTTP_PROXY": "p", "NO_PROXY": "other, control"}, "http://control:8000", None),
        ({"HTTP_PROXY": "p", "NO_PROXY": "control:8000"}, "http://control:8000", None),
        ({"HTTP_PROXY": "p", "no_proxy": ".lab.example"}, "http://control.lab.example", None),
        ({"HTTP_PROXY": "p", "NO_PROXY": "fd00::/8,10.0.0.0/8"}, "http://10.1.2.3:8000", None),
        ({"HTTP_PROXY": "p", "NO_PROXY": "fd00::/8,10.0.0.0/8"}, "http://[fd00::1]:8000", None),
        ({"HTTP_PROXY": "p", "NO_PROXY": "[fd00::1]"}, "http://[fd00::1]:8000", None),
        ({"HTTP_PROXY": "p", "NO_PROXY": "fd00::/8"}, "http://11.1.2.3", ProxySetting("http://p", "HTTP_PROXY")),
    ],
)
def test_the_proxy_follows_the_variables(
    environment: dict[str, str], url: str, proxy: ProxySetting | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(httpx.URL(url)) == proxy


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("proxy", ["ftp://user:pw~1@p:1", "http://user:pw~1@[::1", "http://user:pw~ 1@p:port"])
def test_a_proxy_that_cannot_be_used_is_named_by_its_variable(
    variable: str, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, proxy)
    with pytest.raises(InvalidInputError, match=rf"^{variable} is \w+://\*\*\*@.* cannot be used .*NO_PROXY") as refused:
        ControlApi("http://control:8000")
    assert "pw~" not in str(refused.value)


def test_a_socks_proxy_says_which_package_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("ALL_PROXY", "socks5://p:1080")
    with pytest.raises(InvalidInputError, match="ALL_PROXY is socks5://p:1080: a SOCKS proxy needs the package socksio"):
        ControlApi("http://control:8000")


def test_a_proxy_that_is_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://user:pw~1@127.0.0.1:9")
    with ControlApi("http://control:8000") as api, pytest.raises(UnavailableError) as away:
        api.runs()
    assert str(away.value).startswith(
        "no control API at http://control:8000 through the proxy http://***@127.0.0.1:9 of HTTP_PROXY: start one"
    )


def test_certificates_that_cannot_be_read_are_named_by_their_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    with pytest.raises(InvalidInputError, match=r"No such file or directory.*correct SSL_CERT_FILE"):
        ControlApi("https://control")
