"""The console in a real browser, over a real control API whose runs are moved on by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi.routing import APIRoute
from playwright.sync_api import Browser, Page, expect
from prometheus_client import CollectorRegistry

from fedface_console.app import ROUTERS
from fedface_control.api.app import create_app
from fedface_control.auth.sign_in import SignIn
from fedface_core.contracts import object_keys
from fedface_core.domain.dead_letter import DeadLetter
from fedface_core.domain.results import VerificationReport
from fedface_core.domain.role import Role
from fedface_core.domain.run import RunPhase
from fedface_stack.children import Children
from fedface_stack.local_ports import free_ports
from support.api_by_hand import MODEL, MODEL_SHA256, ByHand
from support.browser import Watched, violations
from support.console import served_console
from support.open_sign_in import open_sign_in
from support.prometheus_answers import served_prometheus
from support.served_app import served
from support.signing_in import closed_sign_in, key_for


class Serve(Protocol):
    """Serves a console over the API at a URL."""

    def __call__(self, api_url: str, port: int = 0, **settings: object) -> AbstractContextManager[str]: ...


@pytest.fixture(scope="module")
def serve(server_processes: Children, tmp_path_factory: pytest.TempPathFactory) -> Serve:
    return partial(served_console, server_processes, tmp_path_factory.mktemp("consoles"))


@pytest.fixture(scope="module")
def url(served_api: ByHand, serve: Serve) -> Iterator[str]:
    with serve(served_api.url) as served:
        yield served


@pytest.fixture
def watched(browser: Browser, url: str) -> Iterator[Watched]:
    with Watched(browser, url) as made:
        yield made
        assert made.complaints == []


def press(page: Page, label: str) -> None:
    """Press an action's button, and confirm it."""
    page.get_by_role("button", name=label, exact=True).click()
    page.get_by_role("button", name=f"Yes, {label.lower()}").click()


def test_a_run_is_started_paused_resumed_and_cancelled(watched: Watched, api: ByHand) -> None:
    run_id = api.created()
    page = watched.page
    page.goto(f"/runs/{run_id}")
    press(page, "Start")
    expect(page.locator("#state")).to_contain_text("preparing")
    press(page, "Pause now")
    expect(page.locator("#state")).to_contain_text("It waits for somebody to resume it.")
    press(page, "Resume")
    expect(page.locator("#state")).to_contain_text("preparing")
    press(page, "Cancel run")
    expect(page.locator("#state")).to_contain_text("cancelled")
    assert api.ports.ledger.load(run_id).phase is RunPhase.CANCELLED


def test_a_run_is_created_by_the_form_and_wrong_input_is_named(watched: Watched, api: ByHand) -> None:
    page = watched.page
    page.goto("/")
    page.get_by_role("link", name="New run").click()
    page.get_by_role("link", name="synthetic").click()
    page.get_by_label("name", exact=True).fill("by a browser")
    page.get_by_label("rounds", exact=True).fill("0")
    page.get_by_role("button", name="Check the plan").click()
    expect(page.locator("#wrong")).to_contain_text("rounds")
    expect(page.get_by_label("rounds", exact=True)).to_have_attribute("aria-invalid", "true")
    page.get_by_label("rounds", exact=True).fill("3")
    page.get_by_role("button", name="Check the plan").click()
    expect(page.locator("#valid")).to_contain_text("gradient steps")
    page.get_by_role("button", name="Create and start").click()
    expect(page.locator("h1")).to_have_text("by a browser")
    expect(page.locator("#state")).to_contain_text("preparing")


def test_runs_are_chosen_compared_and_their_model_downloaded(watched: Watched, api: ByHand, tmp_path: Path) -> None:
    ids = [api.completed(), api.completed()]
    page = watched.page
    page.goto("/")
    for run_id in ids:
        page.locator(f"input[value='{run_id}']").check()
    page.get_by_role("button", name="Compare the chosen runs").click()
    expect(page.locator("h1")).to_have_text("2 runs side by side")
    expect(page.locator("[data-drawn]").first).to_be_visible()
    page.goto(f"/runs/{ids[0]}")
    page.locator("#model").click()
    with page.expect_download() as started:
        page.get_by_role("link", name="Download").click()
    started.value.save_as(tmp_path / "model.safetensors")
    assert (tmp_path / "model.safetensors").read_bytes() == MODEL


def test_a_command_for_onnx_is_copied(watched: Watched, api: ByHand) -> None:
    api.completed()
    page = watched.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"/models/{MODEL_SHA256}")
    page.clock.install(time=0)
    page.clock.pause_at(1000)  # the word stays until the test has seen it
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == f"fedface model export {MODEL_SHA256} --onnx {MODEL_SHA256[:16]}.onnx"


def test_no_is_no(watched: Watched, api: ByHand) -> None:
    run_id = api.created()
    page = watched.page
    page.goto(f"/runs/{run_id}")
    page.get_by_role("button", name="Cancel run", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text("The run ends now.")
    page.get_by_role("button", name="No", exact=True).click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert api.ports.ledger.load(run_id).phase is RunPhase.CREATED


def test_the_page_of_a_run_is_live_to_its_end(watched: Watched, api: ByHand) -> None:
    run_id = api.started()
    page = watched.page
    page.goto(f"/runs/{run_id}")
    expect(page.locator("#accepted")).to_have_text("0")
    api.accept(run_id, 0, 2)
    expect(page.locator("#accepted")).to_have_text("2")
    expect(page.locator(".stragglers")).to_contain_text("client-")
    for number in range(3):
        api.finish_round(run_id, number)
        expect(page.locator(f"#round-{number}")).to_be_visible()
    expect(page.locator("#state")).to_contain_text("completed")
    expect(page.locator("#actions button")).to_have_count(3)  # delete, and its question's two


def test_an_open_question_stays_open_while_the_page_changes(watched: Watched, api: ByHand) -> None:
    run_id = api.started()
    page = watched.page
    page.goto(f"/runs/{run_id}")
    expect(page.locator("#accepted")).to_have_text("0")
    page.get_by_role("button", name="Pause", exact=True).click()
    api.accept(run_id, 0, 1)
    expect(page.locator("#accepted")).to_have_text("1")
    expect(page.get_by_role("dialog")).to_be_visible()
    api.finish_round(run_id, 0)  # the buttons are now about round 1; those of the question are not taken away
    expect(page.locator("#round-1")).to_be_visible()
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(page.locator("#actions [data-shows^='0 ']")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator("#actions [data-shows^='1 ']")).to_be_visible()


def test_the_clock_of_the_deadline_runs(watched: Watched, api: ByHand) -> None:
    page = watched.page
    page.goto(f"/runs/{api.started()}")
    clock = page.locator(".clock")
    before = clock.inner_text()
    assert before.startswith("in ")
    expect(clock).not_to_have_text(before)


def test_curves_and_roc_are_drawn(watched: Watched, api: ByHand) -> None:
    page = watched.page
    page.goto(f"/runs/{api.completed()}/curves")
    expect(page.locator("[data-chart='tar'][data-drawn]")).to_be_visible()
    expect(page.locator("#roc[data-drawn] canvas")).to_be_visible()
    assert page.locator("canvas").count() > 8
    page.locator("#roc-round").select_option("1")
    expect(page.locator("#roc")).to_contain_text("round 1")


def test_the_histograms_of_two_rounds_are_drawn_with_thresholds(watched: Watched, api: ByHand) -> None:
    page = watched.page
    run_id = api.completed()
    page.goto(f"/runs/{run_id}/curves")
    expect(page.locator("#cosines[data-drawn] canvas")).to_be_visible()
    for line in ("genuine, round 2", "impostor, round 2", "genuine, round 0", "impostor, round 0"):
        expect(page.locator("#cosines")).to_contain_text(line)
    page.locator("#roc-round").select_option("1")
    expect(page.locator("#cosines")).to_contain_text("genuine, round 1")
    page.goto(f"/runs/{run_id}/rounds/1")
    expect(page.locator("#cosines[data-drawn] canvas")).to_be_visible()
    expect(page.locator("#thresholds")).to_contain_text("0.3500")


def test_a_report_of_an_earlier_version_says_that_it_has_no_histograms(watched: Watched, api: ByHand) -> None:
    run_id = api.completed()
    key = object_keys.report(run_id, 1)
    report = VerificationReport.model_validate_json(api.ports.artifacts.get(key))
    old = report.model_copy(update={"cosines": None, "thresholds": None})
    api.ports.artifacts.put(key, old.model_dump_json().encode())
    watched.page.goto(f"/runs/{run_id}/rounds/1")
    expect(watched.page.locator("#no-cosines")).to_be_visible()
    expect(watched.page.locator("#cosines")).to_be_hidden()
    expect(watched.page.locator("#thresholds")).to_have_count(0)


def test_times_are_those_of_the_readers_zone(browser: Browser, url: str, api: ByHand) -> None:
    run_id = api.created()
    at = api.ports.ledger.load(run_id).created_at
    with Watched(browser, url, timezone_id="Asia/Kathmandu", locale="en-GB") as watched:
        watched.page.goto(f"/runs/{run_id}")
        shown = watched.page.locator(".facts time")
        expect(shown).not_to_contain_text("UTC")
        minutes = (at.hour * 60 + at.minute + 345) % (24 * 60)
        expect(shown).to_contain_text(f"{minutes // 60:02d}:{minutes % 60:02d}")


def views(api: ByHand) -> dict[str, str]:
    """Every view, by name."""
    done = api.completed()
    live = api.started()
    api.ports.ledger.fail(live, 0, api.ports.ledger.load_round(live, 0).cohort[0], "it crashed")
    return {
        "runs": "/",
        "nothing": "/?text=nothing-like-this",
        "live": f"/runs/{live}",
        "ended": f"/runs/{done}",
        "created": f"/runs/{api.created()}",
        "curves": f"/runs/{done}/curves",
        "round": f"/runs/{live}/rounds/0",
        "scored round": f"/runs/{done}/rounds/2",
        "events": f"/runs/{done}/events",
        "plan": "/plans/new?preset=orl",
        "compare": f"/compare?run={done}&run={live}",
        "models": "/models",
        "model": f"/models/{MODEL_SHA256}",
        "fleet": "/fleet",
        "access": "/access",
        "sign-in": "/sign-in",
        "error": "/runs/run-000000000000",
    }


# Part of a page, or what is no page.
NO_VIEWS = re.compile(r".*(/live|/now|/sparklines|/file|\.json)|/sign-in/issuer.*")


@pytest.mark.long
@pytest.mark.parametrize("width", [1280, 360])
def test_no_view_shuts_anybody_out(width: int, browser: Browser, url: str, api: ByHand) -> None:
    found = {}
    addresses = views(api)
    paths = [urlsplit(address).path for address in addresses.values()]
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    pages = [one for one in routes if "GET" in (one.methods or ()) and not NO_VIEWS.fullmatch(one.path)]
    assert len(pages) >= 12
    unseen = [one.path for one in pages if not any(map(one.path_regex.match, paths))]
    assert unseen == [], "each page of the console is among the views"
    with Watched(browser, url, viewport={"width": width, "height": 800}) as watched:
        for name, address in addresses.items():
            watched.page.goto(address)
            if name == "curves":
                watched.page.locator("#roc[data-drawn]").wait_for()
            if name in ("curves", "scored round"):
                watched.page.locator("#cosines[data-drawn]").wait_for()
            if name == "created":
                watched.page.get_by_role("button", name="Cancel run", exact=True).click()
            if name == "compare":
                watched.page.locator("[data-drawn]").first.wait_for()
            too_wide = watched.page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
            found[name] = [*violations(watched.page), *(["it is wider than the window"] if too_wide else [])]
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


@pytest.mark.long
def test_a_fleet_with_alerts_and_dead_letters_shuts_nobody_out(
    browser: Browser, serve: Serve, api: ByHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter = DeadLetter(
        id="1-0",
        at=datetime.now(UTC),
        queue="client",
        fault="not_json",
        reason="it is not JSON",
        bytes=12345,
        beginning="\x1b[2J<b>" + "x" * 500,
    )
    monkeypatch.setattr(api.ports.dead_letters, "newest", lambda limit: [letter] * limit)
    with served_prometheus() as prometheus, serve(api.url, prometheus_url=prometheus) as url:
        for width in (1280, 360):
            with Watched(browser, url, viewport={"width": width, "height": 800}) as watched:
                page = watched.page
                page.goto("/fleet")
                expect(page.locator("#services")).to_contain_text("client: 1 of 2 alive")
                expect(page.locator("#alerts")).to_contain_text("A worker of client is gone <b>now</b>")
                expect(page.locator("#letters tbody tr")).to_have_count(20)
                assert violations(page) == []
                assert not page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
                assert watched.complaints == []


def test_everything_can_be_reached_by_keyboard(watched: Watched, api: ByHand) -> None:
    run_id = api.created()
    page = watched.page
    page.goto(f"/runs/{run_id}")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the page")
    reached = []
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.innerText"))
    assert {"FedFace", "Runs", "Overview", "Curves", "Start", "Cancel run", "Delete run"} <= {*reached}
    page.get_by_role("button", name="Start", exact=True).focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#state")).to_contain_text("preparing")


class Gate:
    """A control API that can be stopped and started again on one port. Callers have to sign in if ``sign_in`` says so."""

    def __init__(self, api: ByHand, sign_in: SignIn) -> None:
        self._api = api
        self._sign_in = sign_in
        self.port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        self._running = ExitStack()

    def open(self) -> None:
        app = create_app(self._api.ports, CollectorRegistry(), self._sign_in)
        self._running.enter_context(served(app, port=self.port, cut_at_the_end=True))

    def shut(self) -> None:
        self._running.close()


@contextmanager
def gate_to(api: ByHand, sign_in: SignIn) -> Iterator[Gate]:
    gate = Gate(api, sign_in)
    gate.open()
    try:
        yield gate
    finally:
        gate.shut()


@pytest.mark.long
def test_control_goes_away_and_comes_back(browser: Browser, serve: Serve, api: ByHand) -> None:
    run_id = api.started()
    with gate_to(api, open_sign_in()) as gate, serve(gate.url) as url, Watched(browser, url) as watched:
        page = watched.page
        with page.expect_response("**/live"):  # a stream that is refused would be complained of
            page.goto(f"/runs/{run_id}")
        expect(page.locator("#accepted")).to_have_text("0")
        gate.shut()
        expect(page.locator("#notice")).to_contain_text("The control API does not answer", timeout=20_000)
        expect(page.locator("#accepted")).to_have_text("0")
        api.accept(run_id, 0, 2)
        gate.open()
        expect(page.locator("#accepted")).to_have_text("2", timeout=20_000)
        expect(page.locator("#notice")).to_be_empty()
        assert watched.complaints == []


@pytest.mark.long
def test_the_console_goes_away_and_comes_back(browser: Browser, serve: Serve, api: ByHand) -> None:
    run_id = api.started()
    port = free_ports(1)[0]
    with serve(api.url, port=port) as url:
        watched = Watched(browser, url)
        watched.page.goto(f"/runs/{run_id}")
        expect(watched.page.locator("#accepted")).to_have_text("0")
    page = watched.page
    expect(page.locator("#unreached")).to_be_visible(timeout=20_000)
    api.accept(run_id, 0, 2)
    with serve(api.url, port=port):
        expect(page.locator("#accepted")).to_have_text("2", timeout=20_000)
        expect(page.locator("#unreached")).to_be_hidden()
        watched.context.close()


def test_without_a_stream_the_page_asks_again_and_again(browser: Browser, serve: Serve, api: ByHand) -> None:
    run_id = api.started()
    with (
        serve(api.url, console_streams=1) as url,
        httpx.stream("GET", f"{url}/runs/{run_id}/live"),
        Watched(browser, url) as watched,
    ):
        page = watched.page
        page.goto(f"/runs/{run_id}")
        expect(page.locator("#accepted")).to_have_text("0")
        api.accept(run_id, 0, 3)
        expect(page.locator("#accepted")).to_have_text("3", timeout=20_000)


@pytest.mark.long
def test_a_guest_signs_in_sees_no_buttons_and_loses_the_session(browser: Browser, serve: Serve, api: ByHand) -> None:
    run_id = api.started()
    sign_in = closed_sign_in()
    token = key_for(sign_in.keys, "guest", [Role.VIEWER])
    with gate_to(api, sign_in) as gate, serve(gate.url) as url, Watched(browser, url) as watched:
        page = watched.page
        page.goto(f"/runs/{run_id}")
        page.get_by_label("API key or access token").fill("ff_wrong_key")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert").first).to_contain_text("does not take this key")
        assert violations(page) == []
        watched.complaints.clear()  # the browser's own line about status 422
        page.get_by_label("API key or access token").fill(token)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("#accepted")).to_have_text("0")
        expect(page.locator(".who")).to_contain_text("key:guest")
        expect(page.locator("#actions")).to_contain_text("Your roles allow no action here.")
        ((key, _),) = sign_in.keys.all()
        sign_in.keys.delete(key.id)
        api.accept(run_id, 0, 1)
        expect(page.locator("#notice")).to_contain_text("You are signed out", timeout=20_000)
        expect(page.locator("#notice")).to_contain_text("key")
        token = key_for(sign_in.keys, "guest", [Role.VIEWER])
        page.get_by_role("link", name="Sign in again").click()
        page.get_by_label("API key or access token").fill(token)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("#accepted")).to_have_text("1")
        assert page.url == f"{url}/runs/{run_id}"
