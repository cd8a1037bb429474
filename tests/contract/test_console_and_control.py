"""The console and the control API keep to one contract: pages, actions and errors over the real API in this process."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from html import escape, unescape
from html.parser import HTMLParser

import httpx
import pytest
from fastapi.testclient import TestClient

from fedface_control.api.routes.runs import PLAN_EXAMPLES
from fedface_control.operate.run import create_run
from fedface_core.adapters.memory import MemoryDeadLetters
from fedface_core.domain.dead_letter import DeadLetter
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import RunPhase
from support.api_by_hand import MODEL, MODEL_SHA256, PLAN, ByHand
from support.console import by_hand, console_answered_by, console_over, form_of
from support.prometheus_answers import watching

NO_RUN = "run-000000000000"


@pytest.fixture
def hand() -> Iterator[tuple[ByHand, TestClient]]:
    runs, control = by_hand()
    with console_over(control) as browser:
        yield runs, browser


def shown_in(html: str) -> dict[str, str]:
    """What the fields of the plan's form show, as a browser would send them."""
    inputs = re.findall(r'<input id="([^"]+)" name="[^"]+" value="([^"]*)"', html)
    selects = re.findall(r'<select id="([^"]+)".*?</select>', html, re.DOTALL)
    chosen = {}
    for name in selects:
        inside = html.split(f'<select id="{name}"')[1].split("</select>")[0]
        found = re.search(r"<option selected>([^<]*)", inside)
        chosen[name] = found[1] if found else ""
    return {name: unescape(text) for name, text in inputs} | chosen


def test_the_page_of_runs_shows_each_run_and_its_phase(hand: tuple[ByHand, TestClient]) -> None:
    runs, browser = hand
    ids = [runs.created(), runs.started(), runs.completed(), runs.failed()]
    html = browser.get("/").text
    for run_id, phase in zip(ids, ("created", "running", "completed", "failed"), strict=True):
        row = html.split(f"<code>{run_id}</code>")[1].split("</tr>")[0]
        assert f'class="phase {phase}"' in row
    assert "40.00 %" in html  # TAR at the strictest rate that is resolved


def test_the_page_of_a_run_says_which_worker_is_missing(
    hand: tuple[ByHand, TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, browser = hand
    run_id = runs.started()
    card = 'aria-label="Missing workers"'
    assert card not in browser.get(f"/runs/{run_id}").text
    monkeypatch.setattr(runs.ports.publisher, "without_workers", {"client"})
    shown = browser.get(f"/runs/{run_id}").text.split(card)[1].split("</section>")[0]
    assert "What it waits for" in shown
    assert "no client worker computes on the CPU: start a client worker with FEDFACE_DEVICE=cpu" in unescape(shown)


def test_sparklines_come_after_the_page(hand: tuple[ByHand, TestClient]) -> None:
    runs, browser = hand
    run_id = runs.completed()
    created = runs.created()
    html = browser.get("/runs/sparklines").text
    assert f'id="line-{run_id}"' in html
    assert "polyline" in html
    assert created not in html


def test_a_filter_leaves_the_runs_that_fit(hand: tuple[ByHand, TestClient]) -> None:
    runs, browser = hand
    done = runs.completed()
    created = runs.created()
    html = browser.get("/", params={"phase": "completed"}).text
    assert done in html
    assert created not in html
    assert created in browser.get("/", params={"text": created[-6:]}).text
    assert "None of the 2 runs that were looked at is one of these" in browser.get("/", params={"owner": "nobody"}).text


def test_older_runs_are_on_the_next_page(hand: tuple[ByHand, TestClient]) -> None:
    runs, browser = hand
    ids = [runs.created() for _ in range(51)]
    first = browser.get("/").text
    assert ids[0] not in first
    following = re.search(r'rel="next" href="([^"]+)"', first)
    assert following
    assert ids[0] in browser.get(following[1]).text


@pytest.mark.parametrize(
    ("slug", "phase"), [("pause", RunPhase.PAUSING), ("pause-now", RunPhase.PAUSED), ("cancel", RunPhase.CANCELLED)]
)
def test_a_button_does_what_it_says(slug: str, phase: RunPhase, hand: tuple[ByHand, TestClient]) -> None:
    runs, browser = hand
    run_id = runs.started()
    address = f"/runs/{run_id}/actions/{slug}"
    fields = form_of(browser.get(f"/runs/{run_id}").text, address)
    answer = browser.post(address, data=fields)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/runs/{run_id}")
    assert runs.ports.ledger.load(run_id).phase is phase


def test_a_form_that_is_sent_twice_acts_once(hand: tuple[ByHand, TestClient]) -> None:
    runs, browser = hand
    run_id = runs.started()
    runs.finish_round(run_id, 0)
    runs.accept(run_id, 1, 1)
    address = f"/runs/{run_id}/actions/retry-round"
    fields = form_of(browser.get(f"/runs/{run_id}").text, address)
    assert [browser.post(address, data=fields).status_code for _ in range(2)] == [303, 303]
    assert runs.ports.ledger.load(run_id).round == 2


def test_a_form_without_the_secret_of_the_session_does_nothing(hand: tuple[ByHand, TestClient]) -> None:
    runs, browser = hand
    run_id = runs.created()
    fields = form_of(browser.get(f"/runs/{run_id}").text, f"/runs/{run_id}/actions/start")
    for wrong in (fields | {"form_secret": "0" * 32}, {}):
        answer = browser.post(f"/runs/{run_id}/actions/start", data=wrong)
        assert answer.status_code == 403
        assert "Nothing was done" in answer.text
    assert runs.ports.ledger.load(run_id).phase is RunPhase.CREATED


def test_an_action_that_came_too_late_says_why(hand: tuple[ByHand, TestClient]) -> None:
    runs, browser = hand
    run_id = runs.created()
    fields = form_of(browser.get(f"/runs/{run_id}").text, f"/runs/{run_id}/actions/start")
    answer = browser.post(f"/runs/{run_id}/actions/resume", data=fields | {"key": "another"})
    assert answer.status_code == 409
    assert "which allows start, cancel, delete" in answer.text
    assert f'href="/runs/{run_id}"' in answer.text


@pytest.mark.parametrize(
    ("slug", "changed"),
    [
        ("start", {"key": "clé"}),
        ("start", {"key": "a\nX-Evil: b"}),
        ("delete", {"confirm": "x" * 70_000}),
        ("delete", {"confirm": "\x00\ud7ff"}),
        ("close-round", {"round": "1" * 70_000}),
        ("close-round", {"round": "../../../keys"}),
    ],
)
def test_a_field_that_a_page_never_sends_is_an_error_of_the_form(
    slug: str, changed: dict[str, str], hand: tuple[ByHand, TestClient]
) -> None:
    runs, browser = hand
    run_id = runs.created()
    fields = form_of(browser.get(f"/runs/{run_id}").text, f"/runs/{run_id}/actions/start")
    answer = browser.post(f"/runs/{run_id}/actions/{slug}", data=fields | changed)
    assert 400 <= answer.status_code < 500
    assert runs.ports.ledger.load(run_id).phase is RunPhase.CREATED


def test_a_run_is_deleted_only_with_its_id(hand: tuple[ByHand, TestClient]) -> None:
    runs, browser = hand
    run_id = runs.completed()
    address = f"/runs/{run_id}/actions/delete"
    fields = form_of(browser.get(f"/runs/{run_id}").text, address)
    assert browser.post(address, data=fields | {"confirm": NO_RUN}).status_code == 422
    assert runs.ports.ledger.load(run_id).phase is RunPhase.COMPLETED
    assert browser.post(address, data=fields | {"confirm": run_id}).status_code == 303
    assert runs.ports.ledger.load(run_id).phase is RunPhase.DELETING


def test_a_round_names_its_failed_clients_by_reason(hand: tuple[ByHand, TestClient]) -> None:
    runs, browser = hand
    run_id = runs.started()
    cohort = runs.ports.ledger.load_round(run_id, 0).cohort
    runs.ports.ledger.fail(run_id, 0, cohort[0], "its data: too few images")
    runs.ports.ledger.fail(run_id, 0, cohort[1], "it crashed")
    html = browser.get(f"/runs/{run_id}/rounds/0").text
    assert html.count("its data: too few images") >= 2  # among the reasons, and beside the client
    chosen = browser.get(f"/runs/{run_id}/rounds/0", params={"reason": "it crashed"}).text
    table = chosen.split('id="failed"')[1]
    assert cohort[1] in table
    assert cohort[0] not in table


def test_curves_and_the_roc_curve_are_numbers_of_the_api(hand: tuple[ByHand, TestClient]) -> None:
    runs, browser = hand
    run_id = runs.completed()
    curves = browser.get(f"/runs/{run_id}/curves.json").json()
    assert curves["rounds"] == [0, 1, 2]
    assert curves["charts"][0]["lines"][0]["values"] == pytest.approx([0.8, 0.81, 0.82])
    assert browser.get(f"/runs/{run_id}/rounds/1/roc.json").json()["far"] == [0.0, 0.001, 0.01, 0.1, 1.0]
    cosines = browser.get(f"/runs/{run_id}/rounds/1/cosines.json").json()
    assert sum(cosines["genuine"]) * 2 / len(cosines["genuine"]) == pytest.approx(1.0)
    assert [one["far"] for one in cosines["thresholds"]] == ["1e-1", "1e-2", "1e-3"]
    assert 'data-chart="tar"' in browser.get(f"/runs/{run_id}/curves").text


def test_runs_are_compared_by_their_plans_and_their_curves(hand: tuple[ByHand, TestClient]) -> None:
    runs, browser = hand
    first = runs.completed()
    other = create_run(runs.ports, PLAN.model_copy(update={"rounds": 7, "name": "longer"})).id
    html = browser.get("/compare", params={"run": [first, other]}).text
    rows = html.split('id="differences"')[1].split("</table>")[0]
    assert re.findall(r"<th scope=\"row\"><code>(\S+)</code>", rows) == ["name", "rounds"]
    assert "<td>7</td>" in rows
    curves = browser.get("/compare.json", params={"run": [first, other]}).json()
    assert [line["label"] for line in curves["charts"][0]["lines"]] == [first, other]


@pytest.mark.parametrize("count", [0, 1, 11])
def test_two_to_ten_runs_are_compared(count: int, hand: tuple[ByHand, TestClient]) -> None:
    _, browser = hand
    answer = browser.get("/compare", params={"run": [f"run-{number:012x}" for number in range(count)]})
    assert answer.status_code == 400
    assert f"Choose 2 to 10 runs in the list of runs; {count} are chosen." in answer.text


def test_a_model_has_a_card_a_lineage_and_a_file(hand: tuple[ByHand, TestClient]) -> None:
    runs, browser = hand
    run_id = runs.completed()
    assert MODEL_SHA256 in browser.get("/models").text
    card = browser.get(f"/models/{MODEL_SHA256}").text
    assert run_id in card
    assert "dlib-resnet" in card
    answer = browser.get(f"/models/{MODEL_SHA256}/file")
    assert answer.content == MODEL
    assert answer.headers["content-disposition"].startswith("attachment")
    assert browser.get(f"/models/{'0' * 64}/file").status_code == 404


def test_the_audit_trail_tells_the_newest_first_and_can_be_searched(hand: tuple[ByHand, TestClient]) -> None:
    runs, browser = hand
    run_id = runs.completed()
    html = browser.get(f"/runs/{run_id}/events").text
    assert html.index("run completed") < html.index("round opened") < html.index("run created")
    found = browser.get(f"/runs/{run_id}/events", params={"text": "closed"}).text
    assert "3 events" in found
    assert "run created" not in found


def test_the_fleet_is_shown_as_far_as_the_api_tells(hand: tuple[ByHand, TestClient]) -> None:
    runs, browser = hand
    runs.completed()
    html = browser.get("/fleet").text
    assert "ledger answers" in html
    assert "artifact store answers" in html
    assert re.search(r'<th scope="row">client</th><td class="number">\d+</td>', html)
    assert re.search(r'phase=completed">completed</a></th><td class="number">1</td>', html)


def test_who_may_not_read_metrics_sees_the_rest_of_the_fleet() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        match request.url.path:
            case "/readyz":
                return httpx.Response(503, json={"status": "unavailable", "checks": {"ledger": "it is full"}})
            case "/metrics":
                return httpx.Response(403, json={})
            case "/v1/me":
                return httpx.Response(200, json={"actor": "key:v", "roles": ["viewer"], "sign_in": True})
        return httpx.Response(200, json={"runs": []})

    with console_answered_by(answer) as browser:
        html = browser.get("/fleet").text
    assert "ledger: it is full" in html
    assert "Your roles do not show this" in html


def test_the_fleet_has_processes_alerts_and_dead_letters() -> None:
    runs, control = by_hand()
    letters = MemoryDeadLetters()
    letters.put(
        DeadLetter(
            id="1-0",
            at=datetime(2026, 11, 27, tzinfo=UTC),
            queue="client",
            fault="not_json",
            reason="it is not JSON",
            bytes=5,
            beginning="<img src=x>",
        )
    )
    control.state.ports = replace(runs.ports, dead_letters=letters)
    with console_over(control, prometheus=watching) as browser:
        html = browser.get("/fleet").text
    assert "client: 1 of 2 alive" in html
    assert html.index("10.0.0.2:9100") < html.index("10.0.0.1:9100")
    assert "A worker of client is gone &lt;b&gt;now&lt;/b&gt;" in html
    assert 'href="https://runbooks.example/#workergone"' in html
    assert "&lt;img src=x&gt;" in html


def test_a_fleet_without_prometheus_says_what_to_set(hand: tuple[ByHand, TestClient]) -> None:
    html = hand[1].get("/fleet").text
    assert html.count("set FEDFACE_PROMETHEUS_URL") == 2
    assert "None: every message could be read." in html


def test_a_prometheus_that_is_away_hides_nothing_else() -> None:
    def away(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with console_over(by_hand()[1], prometheus=away) as browser:
        answer = browser.get("/fleet")
    assert answer.status_code == 200
    assert "Nothing answers at http://prometheus:9090" in answer.text
    assert "ledger answers" in answer.text


def test_prometheus_is_not_asked_for_who_may_not_see_metrics() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        match request.url.path:
            case "/readyz":
                return httpx.Response(200, json={"status": "ok", "checks": {}})
            case "/metrics" | "/v1/dead-letters":
                return httpx.Response(403, json={})
            case "/v1/me":
                return httpx.Response(200, json={"actor": "key:v", "roles": ["viewer"], "sign_in": True})
        return httpx.Response(200, json={"runs": []})

    def refuse(_request: httpx.Request) -> httpx.Response:
        raise AssertionError("it was asked")

    with console_answered_by(answer, prometheus=refuse) as browser:
        page = browser.get("/fleet")
    assert page.status_code == 200
    assert page.text.count("it takes the role metrics or admin") == 3
    assert "it takes the role operator or admin" in page.text


@pytest.mark.parametrize("preset", ["orl", "synthetic"])
def test_a_preset_is_a_valid_plan_and_becomes_a_run(preset: str, hand: tuple[ByHand, TestClient]) -> None:
    runs, browser = hand
    html = browser.get("/plans/new", params={"preset": preset}).text
    fields = form_of(html, "/plans/new") | shown_in(html)
    assert "The plan is valid." in browser.post("/plans/new", data=fields | {"do": "check"}).text
    answer = browser.post("/plans/new", data=fields | {"do": "start"})
    assert answer.status_code == 303
    run = runs.ports.ledger.load(answer.headers["location"].removeprefix("/runs/"))
    assert run.phase is RunPhase.PREPARING
    assert run.plan == Plan.model_validate(PLAN_EXAMPLES[preset]["value"])


def test_a_form_of_a_run_makes_an_equal_run(hand: tuple[ByHand, TestClient]) -> None:
    runs, browser = hand
    run_id = runs.created()
    html = browser.get("/plans/new", params={"run": run_id}).text
    answer = browser.post("/plans/new", data=form_of(html, "/plans/new") | shown_in(html) | {"do": "create"})
    made = runs.ports.ledger.load(answer.headers["location"].removeprefix("/runs/"))
    assert made.plan == runs.ports.ledger.load(run_id).plan
    assert made.phase is RunPhase.CREATED


@pytest.mark.parametrize("do", ["check", "create", "start"])
@pytest.mark.parametrize(
    ("path", "text", "says"),
    [
        ("rounds", "many", "is no whole number"),
        ("rounds", "0", "greater than 0"),
        ("cohort.quorum", "99", "cohort.quorum is 99"),
        ("strategy", "fedmagic", "strategy"),
        ("far", "[0.1", "is no JSON"),
        ("model.architecture", "<b>", "model.architecture"),
    ],
)
def test_a_wrong_input_is_named_where_it_is_and_nothing_is_created(
    do: str, path: str, text: str, says: str, hand: tuple[ByHand, TestClient]
) -> None:
    runs, browser = hand
    fields = form_of(browser.get("/plans/new").text, "/plans/new")
    answer = browser.post("/plans/new", data=fields | {path: text, "do": do})
    assert answer.status_code == (422 if do != "check" or "is no" in says else 200)
    assert "The plan is not valid." in answer.text
    assert says in answer.text.split('id="wrong"')[1]
    assert f'name="{path}" value="{escape(text)}"' in answer.text or path == "model.architecture"
    assert list(runs.ports.ledger.runs(10, None)) == []


@pytest.mark.parametrize(
    "end", ["", "/now", "/curves", "/curves.json", "/rounds/0", "/rounds/0/roc.json", "/rounds/0/cosines.json", "/events"]
)
def test_what_is_not_there_is_said(end: str, hand: tuple[ByHand, TestClient]) -> None:
    _, browser = hand
    answer = browser.get(f"/runs/{NO_RUN}{end}")
    assert answer.status_code == 404
    assert NO_RUN in answer.text


@pytest.mark.parametrize(
    "address", ["/runs/x", "/?before=x", "/?phase=x", f"/runs/{NO_RUN}/rounds/-1", "/?text=" + "x" * 101]
)
def test_an_address_that_somebody_has_changed_is_explained(address: str, hand: tuple[ByHand, TestClient]) -> None:
    _, browser = hand
    answer = browser.get(address)
    assert answer.status_code in (404, 422)
    assert "<h1>" in answer.text


class _Outside(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        if tag == "style" or "style" in names or any(name.startswith("on") for name in names):
            self.found.append(f"{tag} {attrs}")
        if tag == "script" and not (names.get("src") or "").startswith("/"):
            self.found.append(f"{tag} {attrs}")
        for name in ("src", "href", "action", "hx-get", "sse-connect"):
            if (names.get(name) or "/").startswith(("http", "//", "javascript")):
                self.found.append(f"{tag} {attrs}")


def test_no_page_has_a_script_or_a_style_within_or_names_another_host(hand: tuple[ByHand, TestClient]) -> None:
    runs, browser = hand
    run_id = runs.completed()
    live = runs.started()
    pages = ["/models", f"/models/{MODEL_SHA256}", "/fleet", "/access", "/plans/new", f"/compare?run={run_id}&run={live}"]
    pages += [
        "/",
        f"/runs/{run_id}/events",
        f"/runs/{run_id}",
        f"/runs/{live}",
        f"/runs/{run_id}/curves",
        f"/runs/{run_id}/rounds/1",
        "/nowhere",
    ]
    for address in pages:
        parser = _Outside()
        parser.feed(browser.get(address).text)
        assert parser.found == [], address


def test_what_people_wrote_is_text_and_no_html(hand: tuple[ByHand, TestClient]) -> None:
    runs, browser = hand
    run_id = runs.started()
    cohort = runs.ports.ledger.load_round(run_id, 0).cohort
    runs.ports.ledger.fail(run_id, 0, cohort[0], "<script>alert(1)</script>")
    html = browser.get(f"/runs/{run_id}/rounds/0").text
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html


WAYS = {"open": False, "issuer": None, "client_id": None, "device_authorization": False}


def asks_for_sign_in(request: httpx.Request) -> httpx.Response:
    """An API that takes one key, and nothing without it."""
    if request.url.path == "/v1/sign-in":
        return httpx.Response(200, json=WAYS)
    if request.headers.get("authorization") != "Bearer ff_good_key":
        problem = {"title": "Not signed in", "status": 401, "detail": "this request has no token"}
        return httpx.Response(401, json=problem, headers={"content-type": "application/problem+json"})
    if request.url.path == "/v1/me":
        return httpx.Response(200, json={"actor": "key:night-watch", "roles": ["viewer"], "sign_in": True})
    return httpx.Response(200, json={"runs": []})


def test_who_is_not_signed_in_is_led_to_the_form_and_back() -> None:
    with console_answered_by(asks_for_sign_in) as browser:
        answer = browser.get("/?phase=failed")
        assert answer.headers["location"] == "/sign-in?back=%2F%3Fphase%3Dfailed"
        fields = form_of(browser.get(answer.headers["location"]).text, "/sign-in")
        assert fields["back"] == "/?phase=failed"
        refused = browser.post("/sign-in", data=fields | {"token": "ff_wrong_key"})
        assert refused.status_code == 422
        assert "does not take this key" in refused.text
        taken = browser.post("/sign-in", data=fields | {"token": " ff_good_key\n"})
        assert (taken.status_code, taken.headers["location"]) == (303, "/?phase=failed")
        html = browser.get("/").text
        assert "key:night-watch" in html
        assert "New run" not in html
        out = form_of(html, "/sign-out")
        assert browser.post("/sign-out", data=out).headers["location"] == "/sign-in?out=true"
        assert browser.get("/").status_code == 303


def test_a_page_that_is_open_when_the_key_ends_says_so_in_its_place() -> None:
    with console_answered_by(asks_for_sign_in) as browser:
        answer = browser.get(f"/runs/{NO_RUN}/now", headers={"hx-request": "true"})
        assert answer.status_code == 401
        assert "You are signed out" in answer.text
        assert f"/sign-in?back=/runs/{NO_RUN}" in answer.text
        assert "<html" not in answer.text


@pytest.mark.parametrize("back", ["//evil.example/", "https://evil.example", "/\\evil.example", "javascript:alert(1)", ""])
def test_signing_in_never_leads_to_another_site(back: str) -> None:
    with console_answered_by(asks_for_sign_in) as browser:
        fields = form_of(browser.get("/sign-in").text, "/sign-in")
        answer = browser.post("/sign-in", data=fields | {"token": "ff_good_key", "back": back})
        assert answer.headers["location"] == "/"


@pytest.mark.parametrize("token", ["", "two words", "x" * 2801, "é"])
def test_what_is_no_key_is_refused_before_it_is_sent(token: str) -> None:
    with console_answered_by(asks_for_sign_in) as browser:
        fields = form_of(browser.get("/sign-in").text, "/sign-in")
        answer = browser.post("/sign-in", data=fields | {"token": token})
        assert answer.status_code == 422
        assert "Give an API key" in answer.text


def test_an_api_that_is_away_is_said_plainly() -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with console_answered_by(away) as browser:
        answer = browser.get("/")
        assert answer.status_code == 503
        assert "The control API does not answer" in answer.text
        assert "Look whether control runs there" in answer.text


@pytest.mark.parametrize("address", ["/", f"/runs/{NO_RUN}", f"/runs/{NO_RUN}/rounds/0/roc.json"])
@pytest.mark.parametrize("headers", [{}, {"content-encoding": "gzip"}])
def test_what_is_no_control_api_is_said_plainly(address: str, headers: dict[str, str]) -> None:
    def router(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers=headers, stream=httpx.ByteStream(b"<html>a router</html>"))

    with console_answered_by(router) as browser:
        answer = browser.get(address)
        assert answer.status_code == 503
        assert "is not a control API" in answer.text or "(DecodingError)" in answer.text
