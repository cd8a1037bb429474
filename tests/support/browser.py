"""A real browser: Debian's Chromium, driven by Playwright, which asks nothing but what it is told to."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from support.required_parts import skip_without

PATIENCE: Final = 60_000
"""Milliseconds, on a busy machine. Playwright's own `expect` waits for five seconds, whatever a context waits."""
AXE: Final = Path(__file__).parent / "axe/axe.min.js"
NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
RULES_OF_COLOURS: Final = ("color-contrast", "link-in-text-block")
OPTIONS: Final = ("--no-sandbox", "--disable-dev-shm-usage", "--no-proxy-server")
"""The tests may run as root and in small containers, and reach this machine only."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. Without it the tests are skipped, unless ``FEDFACE_REQUIRE`` names it.

    Playwright keeps an event loop running in this thread until it ends: other modules' tests may have loops of their own.
    """
    found = next((path for path in map(shutil.which, NAMES) if path), None)
    if found is None:
        skip_without("chromium", "no chromium on PATH (Debian: apt-get install chromium)")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=[*OPTIONS])
        yield started
        started.close()


class Watched:
    """A page, and what went wrong in it: complaints of its scripts and of its policy, and requests to other hosts."""

    def __init__(self, browser: Browser, url: str, **context: Any) -> None:
        self.url = url
        self.context = browser.new_context(base_url=url, **context)
        self.context.set_default_timeout(PATIENCE)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.url, "data:")):
            self.complaints.append(f"a request to {request.url}")

    def __enter__(self) -> Watched:
        """The page."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.context.close()


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong in the page as it is shown, by all its rules of WCAG 2.2 AA and its best practices.

    Then by its rules about colours in dark mode, which changes nothing else. The page is in light mode afterwards.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))  # as the developer's tools do, which the page's policy does not bind
    page.emulate_media(color_scheme="light")
    found = _found(page)
    page.emulate_media(color_scheme="dark")
    found += [f"dark {one}" for one in _found(page, *RULES_OF_COLOURS)]
    page.emulate_media(color_scheme="light")
    return found


def _found(page: Page, *rules: str) -> list[str]:
    only = {"runOnly": {"type": "rule", "values": [*rules]}} if rules else {}
    found = page.evaluate("options => axe.run(document, options)", {"resultTypes": ["violations"], **only})
    return [f"{one['id']}: {node['html'][:200]}" for one in found["violations"] for node in one["nodes"]]
