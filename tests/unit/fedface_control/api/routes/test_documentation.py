"""The documentation is served from files of the package, and asks no other host for anything."""

from __future__ import annotations

import hashlib
import re
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import pytest
from fastapi.testclient import TestClient

from fedface_control.api.routes.documentation import FILES


class Links(HTMLParser):
    """What a page loads, and its scripts that are in the page itself."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.inline = ""
        self._in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_script = tag == "script"
        self.loaded += [value for name, value in attrs if name in ("src", "href") and value]

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.inline += data.strip()


def test_all_that_the_page_loads_is_there_and_ours(api: TestClient) -> None:
    page = api.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    links = Links()
    links.feed(page.text)
    loaded = [link for link in links.loaded if not link.startswith("data:")]
    assert len(loaded) == 3
    for link in loaded:
        assert urlsplit(link).netloc == ""
        assert api.get(urljoin("/docs", link)).status_code == 200, link
    assert links.inline == "", "so that a policy may forbid scripts in pages"


def test_the_page_shows_this_api_and_has_nobody_else_judge_it() -> None:
    script = (FILES / "show_document.js").read_text()
    assert re.search(r'url: "openapi\.json"', script), "relative, so that it is found under any prefix"
    assert "validatorUrl: null" in script


def test_the_files_of_others_are_unchanged() -> None:
    rows = re.findall(r"^\| (\S+) \| ([0-9a-f]{64}) \|$", (FILES / "README.md").read_text(), re.MULTILINE)
    ours = {"index.html", "show_document.js", "README.md"}
    assert {name for name, _ in rows} == {path.name for path in FILES.iterdir()} - ours
    for name, sha256 in rows:
        assert hashlib.sha256((FILES / name).read_bytes()).hexdigest() == sha256, name


def test_the_root_leads_to_the_documentation(api: TestClient) -> None:
    answer = api.get("/", follow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (307, "/docs")
    under_prefix = TestClient(api.app, root_path="/fedface").get("/fedface/", follow_redirects=False)
    assert under_prefix.headers["Location"] == "/fedface/docs"


@pytest.mark.parametrize("path", ["/docs/../app.py", "/docs/%2e%2e/app.py", "/docs/nothing.js", "/docs/", "/redoc"])
def test_no_other_file_is_served(api: TestClient, path: str) -> None:
    answer = api.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
