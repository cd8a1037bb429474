"""The console with a thousand runs and ten thousand clients: pages load within a second, and stay small in the browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from fedface_core.domain.plan import Plan
from fedface_stack.children import Children
from support.api_by_hand import ByHand
from support.browser import Watched
from support.console import served_console

pytestmark = pytest.mark.long

RUNS = 1000
CLIENTS = 10_000
MOST_SECONDS = 1.0
MOST_BYTES = 100 * 2**20
TRIES = 5
"""The best of them counts: other tests may be at work on the same cores."""


@pytest.fixture
def url(api: ByHand, server_processes: Children, tmp_path: Path) -> Iterator[str]:
    with served_console(server_processes, tmp_path, api.url) as served:
        yield served


def measured(browser: Browser, url: str, address: str, ready: str) -> tuple[float, int]:
    """The seconds from the request to the loaded page, the best of some, and the bytes of its scripts' heap."""
    with Watched(browser, url, viewport={"width": 1280, "height": 800}) as watched:
        times = []
        for _ in range(TRIES):
            watched.page.goto(address)
            expect(watched.page.locator(ready).first).to_be_visible()
            times.append(watched.page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd") / 1000)
        heap = watched.page.evaluate("performance.memory.usedJSHeapSize")
        assert watched.complaints == []
    print(f"{address}: {min(times):.3f} s, {heap / 1e6:.1f} MB")
    return min(times), heap


def test_a_page_of_a_thousand_runs(api: ByHand, browser: Browser, url: str) -> None:
    for _ in range(RUNS - 50):
        api.created()
    for _ in range(50):  # the newest page has a sparkline in each row
        api.completed()
    for address in ("/", "/?phase=completed"):
        seconds, heap = measured(browser, url, address, ".sparkline")
        assert seconds < MOST_SECONDS
        assert heap < MOST_BYTES


def test_the_pages_of_ten_thousand_clients(api: ByHand, browser: Browser, url: str) -> None:
    ledger = api.ports.ledger
    plan = Plan.model_validate({"split": {"clients": CLIENTS, "test": 5}, "data": {"dataset": "synthetic"}})
    run_id = api.started_of(plan)
    cohort = ledger.load_round(run_id, 0).cohort
    assert len(cohort) == CLIENTS
    for client in cohort[: CLIENTS - 1]:
        ledger.fail(run_id, 0, client, f"reason {int(client[-2:]) % 7}")
    for address, ready in ((f"/runs/{run_id}", "#failed-now"), (f"/runs/{run_id}/rounds/0", "#failed")):
        seconds, heap = measured(browser, url, address, ready)
        assert seconds < MOST_SECONDS
        assert heap < MOST_BYTES
