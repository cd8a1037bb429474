"""The console of a local stack in a real browser: a run from its form to its end, and the pictures of docs/console.md."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect

from architecture.packages import ROOT
from fedface_stack.stack import CONSOLE, LocalStack
from support.browser import Watched
from support.servers import wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

SCREENSHOTS = ROOT / "docs/images/console"
NAMES = ("runs", "run", "curves", "round", "compare", "plan", "fleet")
PATIENCE = 180_000  # milliseconds, on a busy machine
STEPS = "local_training.steps"
WINDOW: ViewportSize = {"width": 1200, "height": 780}


def create(page: Page, name: str, **texts: str) -> str:
    """Create and start a small run by the form; its id."""
    page.goto("/plans/new?preset=synthetic")
    for path, text in {"name": name, "rounds": "4", **texts}.items():
        field = page.locator(f"[id='{path}']")
        if not field.is_visible():
            page.locator("details", has=field).locator("summary").click()
        field.fill(text)
    page.get_by_role("button", name="Create and start").click()
    expect(page.locator("h1")).to_have_text(name)
    assert "/runs/run-" in page.url
    return page.url.rsplit("/", 1)[1]


def shoot(page: Page, name: str, folder: Path, last: Locator | None = None) -> None:
    """A screenshot of what the window shows; of the page from its top to the end of ``last``, if that is given."""
    if last is not None:
        bottom = last.evaluate("part => part.getBoundingClientRect().bottom + window.scrollY")
        buttons = page.evaluate("document.querySelector('.sticky')?.offsetHeight ?? 0")
        page.set_viewport_size({**WINDOW, "height": round(bottom + buttons) + 10})
        page.wait_for_timeout(300)  # charts are drawn anew in a window of another size
    page.screenshot(path=folder / f"{name}.png")
    page.set_viewport_size(WINDOW)


def test_a_newcomer_goes_from_the_form_to_the_end_of_a_run(tmp_path: Path, browser: Browser) -> None:
    folder = SCREENSHOTS if os.environ.get("SCREENSHOTS") else tmp_path
    has_prometheus = shutil.which("prometheus") is not None
    with LocalStack(tmp_path / "stack", client_workers=1, console_port=0, with_prometheus=has_prometheus) as stack:
        assert stack.console_url is not None
        assert not [
            name for name in ("FEDFACE_REDIS_URL", "FEDFACE_S3_SECRET_KEY") if environment_of(stack, CONSOLE).get(name)
        ]
        with Watched(browser, stack.console_url, viewport=WINDOW) as watched:
            page = watched.page
            first = create(page, "four steps")
            page.get_by_role("button", name="Pause now", exact=True).click(timeout=PATIENCE)
            page.get_by_role("button", name="Yes, pause now").click()
            expect(page.locator("#state")).to_contain_text("It waits for somebody to resume it.")
            stack.kill("control")  # while the run waits: it cannot end before the page has noticed
            expect(page.locator("#notice")).to_contain_text("The control API does not answer", timeout=PATIENCE)
            stack.restart("control")
            expect(page.locator("#notice")).to_be_empty(timeout=PATIENCE)
            # What the page asked meanwhile was answered with 503: the browser says so by itself, and htmx of the page's
            # stream, if that was not open yet.
            said_by_themselves = ("503 (Service Unavailable)", "[object Event]")
            watched.complaints[:] = [one for one in watched.complaints if not one.endswith(said_by_themselves)]
            page.get_by_role("button", name="Resume", exact=True).click()
            page.get_by_role("button", name="Yes, resume").click()
            expect(page.locator("#round-2")).to_be_visible(timeout=PATIENCE)
            shoot(page, "run", folder, page.locator("#rounds"))
            expect(page.locator("#state .phase.completed")).to_be_visible(timeout=PATIENCE)
            second = create(page, "one step", **{STEPS: "1"})
            expect(page.locator("#state .phase.completed")).to_be_visible(timeout=PATIENCE)
            page.goto(f"/runs/{first}/curves")
            page.locator("#roc[data-drawn]").wait_for()
            shoot(page, "curves", folder, page.locator("figure.chart").nth(3))
            page.goto(f"/runs/{first}/rounds/4")
            page.locator("#cosines[data-drawn]").wait_for()
            expect(page.locator("#thresholds")).to_contain_text("1e-1")
            shoot(page, "round", folder, page.locator("figure.chart"))
            page.goto(f"/compare?run={first}&run={second}")
            expect(page.locator("#differences")).to_contain_text(STEPS)
            page.locator("[data-drawn]").first.wait_for()
            shoot(page, "compare", folder, page.locator("figure.chart").nth(1))
            page.goto("/plans/new?preset=orl")
            page.get_by_role("button", name="Check the plan").click()
            expect(page.locator("#valid")).to_be_visible()
            shoot(page, "plan", folder, page.locator("details.group").first)
            create(page, "a long one", rounds="1000")  # not before: it keeps the cores busy from now on
            expect(page.locator("#round-1")).to_be_visible(timeout=PATIENCE)
            page.goto("/")
            for run_id in (first, second):
                expect(page.locator(f"#line-{run_id} .sparkline")).to_be_visible()
            shoot(page, "runs", folder, page.get_by_role("button", name="Compare the chosen runs"))
            page.goto("/fleet")
            if has_prometheus:

                def is_alive() -> bool:
                    """Whether the last scrape reached the client: the page stays as it is, and a scrape may have failed."""
                    page.goto("/fleet")
                    return "client: 1 of 1 alive" in (page.locator("main").text_content() or "")

                wait_for("the client to be scraped", is_alive, every=1.0)
                expect(page.get_by_label("Alerts", exact=True)).not_to_contain_text("has no rules")
            shoot(page, "fleet", folder, page.get_by_label("Dead letters"))
            assert watched.complaints == []


def environment_of(stack: LocalStack, name: str) -> dict[str, str]:
    """The environment that a process of the stack was started with, as the system has it."""
    raw = Path(f"/proc/{stack.processes[name].pid}/environ").read_bytes()
    pairs = [entry.decode().partition("=") for entry in raw.split(b"\0") if entry]
    return {key: value for key, _, value in pairs}


@pytest.mark.parametrize("name", NAMES)
def test_the_documentation_has_its_screenshots(name: str) -> None:
    assert (SCREENSHOTS / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert f"images/console/{name}.png" in (ROOT / "docs/console.md").read_text(encoding="utf-8")
