"""Signing in to the console at an OIDC issuer, over the real API that believes its access tokens."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry

from fedface_console.issuer_sessions import IssuerSession
from fedface_control.api.app import create_app
from fedface_control.auth.access_tokens import AccessTokens
from fedface_control.auth.issuer import Issuer
from fedface_core.domain.role import Role
from support.console import answers_of, console_over, form_of
from support.control_rounds import Control
from support.oidc_issuer import AUDIENCE, CONSOLE_CLIENT_ID, SmallIssuer, serving_issuer
from support.signing_in import closed_sign_in, key_for

URL = "http://localhost"
OWN: dict[str, Any] = {"console_url": URL, "console_oidc_client_id": CONSOLE_CLIENT_ID}
DISCOVERY = "/.well-known/openid-configuration"


@dataclass
class Place:
    """An issuer, the control API that believes it, and browsers at a console over both."""

    issuer: SmallIssuer
    control: FastAPI
    browsers: list[TestClient] = field(default_factory=list)

    def browser(self, **settings: object) -> TestClient:
        made = console_over(self.control, answers_of(self.issuer), **(OWN | settings))
        self.browsers.append(made.__enter__())
        return made


@pytest.fixture(scope="module")
def served() -> Iterator[Place]:
    with serving_issuer() as issuer:
        sign_in = closed_sign_in(tokens=AccessTokens(Issuer(issuer.url), AUDIENCE, "roles"))
        key_for(sign_in.keys, "somebody", [Role.VIEWER])
        yield Place(issuer, create_app(Control.empty().ports, CollectorRegistry(), sign_in))


@pytest.fixture
def place(served: Place) -> Iterator[Place]:
    issuer = served.issuer
    issuer.seconds = 300
    issuer.person = {"sub": "ann"}
    issuer.nonce = None
    issuer.console_secret = None
    issuer.wants_to_be_asked_for_audience = False
    issuer.asked.clear()
    issuer.granted.clear()
    issuer.answers.clear()
    yield served
    while served.browsers:
        served.browsers.pop().__exit__()


def way_to_issuer(browser: TestClient, page: str = "/models") -> str:
    """The address of the issuer to which the console leads from a page that takes a sign-in."""
    html = browser.get(browser.get(page).headers["location"]).text
    found = re.search(r'<a class="button primary" href="([^"]+)">Sign in with ', html)
    assert found, html
    return str(browser.get(unescape(found[1])).headers["location"])


def way_back(place: Place, way: str) -> str:
    """The address that the issuer's page leads to when the person has signed in there."""
    parts = urlsplit(way)
    _, _, body = place.issuer.answer(f"{parts.path}?{parts.query}")
    found = re.search(r'href="([^"]+)"', body.decode())
    assert found
    return unescape(found[1])


def signed_in(place: Place, page: str = "/models", **settings: object) -> TestClient:
    browser = place.browser(**settings)
    answer = browser.get(way_back(place, way_to_issuer(browser, page)))
    assert (answer.status_code, answer.headers["location"]) == (303, page), answer.text
    return browser


def said(answer: httpx.Response) -> str:
    """Why the sign-in came to nothing."""
    found = re.search(r'id="refused">([^<]+)', answer.text)
    assert found, answer.text
    return unescape(found[1])


def test_a_person_signs_in_at_the_issuer_and_comes_back_to_the_page(place: Place) -> None:
    html = signed_in(place, "/models?after=x").get("/access").text
    assert "<strong>oidc:ann</strong> by the issuer, with the roles viewer." in html


def test_the_browser_is_sent_with_what_the_flow_asks_for(place: Place) -> None:
    ways = [way_to_issuer(place.browser()) for _ in range(2)]
    asked = [{name: values[0] for name, values in parse_qs(urlsplit(way).query).items()} for way in ways]
    for one in asked:
        assert one["realm"] == "faces"  # the endpoint's own
        assert (one["response_type"], one["client_id"], one["scope"]) == ("code", CONSOLE_CLIENT_ID, "openid")
        assert (one["redirect_uri"], one["code_challenge_method"]) == (f"{URL}/sign-in/issuer/done", "S256")
    for name in ("state", "nonce", "code_challenge"):
        assert asked[0][name] != asked[1][name]
        assert len(asked[0][name]) >= 32


def test_a_client_with_a_secret_shows_it(place: Place) -> None:
    place.issuer.console_secret = "a secret: 100 % of it"
    signed_in(place, console_oidc_client_secret="a secret: 100 % of it")
    browser = place.browser()
    assert "invalid_client" in said(browser.get(way_back(place, way_to_issuer(browser))))


def test_no_long_tokens_are_in_the_cookie(place: Place) -> None:
    place.issuer.person = {"sub": "ann", "realm_access": {"roles": [f"a role of some other service {i}" for i in range(60)]}}
    browser = signed_in(place)
    assert len(place.issuer.token(**place.issuer.person)) > 2500
    assert len(browser.cookies["fedface"]) < 1000


@pytest.mark.parametrize("wrong", ["", "x", "gAAAAA==", "é"])
def test_a_wrong_state_is_refused(wrong: str, place: Place) -> None:
    browser = place.browser()
    back = way_back(place, way_to_issuer(browser))
    state = parse_qs(urlsplit(back).query)["state"][0]
    answer = browser.get(back.split("?")[0], params={"state": wrong, "code": "x"})
    assert answer.status_code == 400
    assert "has begun no such sign-in" in said(answer)
    assert place.issuer.asked["/token"] == 0
    assert browser.get(back).status_code == 303, state


def test_the_state_of_another_browser_signs_nobody_in(place: Place) -> None:
    """Else somebody could have others work, unknowingly, as the person who somebody is."""
    back = way_back(place, way_to_issuer(place.browser()))
    other = place.browser()
    other.get("/sign-in")
    answer = other.get(back)
    assert answer.status_code == 400
    assert "has begun no such sign-in" in said(answer)
    assert other.get("/models").status_code == 303


def test_a_state_is_good_once(place: Place) -> None:
    browser = place.browser()
    back = way_back(place, way_to_issuer(browser))
    assert browser.get(back).status_code == 303
    assert browser.get(back).status_code == 400
    assert browser.get("/models").status_code == 200


def test_a_code_of_another_sign_in_is_worth_nothing(place: Place) -> None:
    browser = place.browser()
    stolen = parse_qs(urlsplit(way_back(place, way_to_issuer(place.browser()))).query)["code"][0]
    own = parse_qs(urlsplit(way_back(place, way_to_issuer(browser))).query)["state"][0]
    answer = browser.get("/sign-in/issuer/done", params={"state": own, "code": stolen})
    assert "invalid_grant: no such code" in said(answer)
    assert stolen not in answer.text


def test_an_id_token_of_another_sign_in_is_refused(place: Place) -> None:
    place.issuer.nonce = "of another sign-in"
    browser = place.browser()
    answer = browser.get(way_back(place, way_to_issuer(browser)))
    assert "is not of this sign-in (another nonce)" in said(answer)
    assert browser.get("/models").status_code == 303


def test_another_issuer_cannot_answer(place: Place) -> None:
    browser = place.browser()
    back = way_back(place, way_to_issuer(browser))
    mixed = re.sub(r"iss=[^&]+", "iss=https%3A%2F%2Fevil.example", back)
    assert "Another issuer has answered" in said(browser.get(mixed))
    assert place.issuer.asked["/token"] == 0


def test_what_the_issuer_says_is_shown_as_text_and_one_can_begin_again(place: Place) -> None:
    browser = place.browser()
    state = parse_qs(urlsplit(way_to_issuer(browser, "/models?after=x")).query)["state"][0]
    told = {"state": state, "error": "access_denied", "error_description": "<b>no</b>\x1b[2J" + "x" * 1000}
    answer = browser.get("/sign-in/issuer/done", params=told)
    assert answer.status_code == 400
    assert "access_denied <b>no</b>\\x1b[2J" in said(answer)
    assert "<b>no" not in answer.text
    assert len(said(answer)) < 500
    assert f"{URL}/sign-in/issuer?back=%2Fmodels%3Fafter%3Dx" in answer.text


@pytest.mark.parametrize("back", ["//evil.example/", "https://evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_the_way_back_leads_to_no_other_site(back: str, place: Place) -> None:
    browser = place.browser()
    way = str(browser.get("/sign-in/issuer", params={"back": back}).headers["location"])
    assert browser.get(way_back(place, way)).headers["location"] == "/"


def test_a_token_that_the_api_does_not_take_is_no_sign_in(place: Place) -> None:
    place.issuer.person = {"sub": "ann", "aud": "another service"}
    browser = place.browser()
    answer = browser.get(way_back(place, way_to_issuer(browser)))
    assert "has signed you in, but the API does not take its token" in said(answer)
    assert browser.get("/models").status_code == 303
    assert place.issuer.granted == {}, "what nobody uses is revoked"


def test_a_session_goes_on_while_the_issuer_allows_it_and_then_says_so(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [time.monotonic()]
    with_clock = partial(IssuerSession, clock=lambda: clock[0])
    monkeypatch.setattr("fedface_console.pages.sign_in_at_issuer.IssuerSession", with_clock)
    browser = signed_in(place)
    for _ in range(2):
        asked = place.issuer.asked["/token"]
        clock[0] += place.issuer.seconds
        assert browser.get("/models").status_code == 200
        assert place.issuer.asked["/token"] == asked + 1
    place.issuer.granted.clear()
    clock[0] += place.issuer.seconds
    gone = browser.get("/models?after=x")
    assert (gone.status_code, gone.headers["location"]) == (303, "/sign-in?back=%2Fmodels%3Fafter%3Dx")
    html = browser.get(gone.headers["location"]).text
    assert "You are signed out." in html
    now = browser.get("/models", headers={"hx-request": "true"})
    assert now.status_code == 401
    assert "has ended (invalid_grant)" in now.text
    way = str(browser.get("/sign-in/issuer", params={"back": "/models?after=x"}).headers["location"])
    assert browser.get(way_back(place, way)).headers["location"] == "/models?after=x"


def test_signing_out_ends_the_session_also_for_who_has_its_cookie(place: Place) -> None:
    browser = signed_in(place)
    cookie = browser.cookies["fedface"]
    form = form_of(browser.get("/models").text, "/sign-out")
    out = browser.post("/sign-out", data=form)
    html = browser.get(out.headers["location"]).text
    assert "You have signed out." in html
    assert f'href="{place.issuer.url}/sign-out?client_id={CONSOLE_CLIENT_ID}"' in html
    assert place.issuer.granted == {}, "the refresh token is revoked"
    browser.cookies.clear()
    browser.cookies.set("fedface", cookie)
    assert browser.get("/models").headers["location"].startswith("/sign-in")


def test_signing_in_again_ends_the_session_before(place: Place) -> None:
    browser = signed_in(place)
    browser.get(way_back(place, str(browser.get("/sign-in/issuer").headers["location"])))
    assert len(place.issuer.granted) == 1


def test_after_a_restart_of_the_console_people_sign_in_again_and_come_back(place: Place) -> None:
    """Its sessions at the issuer were in its memory. A form that was open then leads back to its page."""
    shared = {"console_secret": "of both processes, and long enough"}
    before = signed_in(place, **shared)
    form = form_of(before.get("/models").text, "/sign-out")
    after = place.browser(**shared)
    after.cookies.set("fedface", before.cookies["fedface"])
    assert after.get("/models").headers["location"] == "/sign-in?back=%2Fmodels"
    assert "You are signed out." in after.get("/sign-in?back=%2Fmodels").text
    for sent, page in (
        ("/runs/run-000000000000/actions/start", "/runs/run-000000000000"),
        ("/access/keys", "/access"),
        ("/plans/new", "/plans/new"),
    ):
        answer = after.post(sent, data={"form_secret": form["form_secret"]})
        assert answer.status_code == 401
        assert f'href="/sign-in?back={page}"' in answer.text


def test_while_the_issuer_is_away_a_session_with_a_good_token_goes_on_and_keys_are_good(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = signed_in(place)
    place.issuer.answers[DISCOVERY] = (503, {}, b"")
    monkeypatch.setattr("fedface_console.issuer.FRESH_SECONDS", 0.0)
    assert browser.get("/models").status_code == 200
    other = place.browser()
    assert "API key or access token" in other.get("/sign-in").text
    answer = other.get("/sign-in/issuer", params={"back": "/models"})
    assert answer.status_code == 503
    assert "has no discovery document: it answered 503" in said(answer)


def test_a_console_whose_api_cannot_reach_the_issuer_still_takes_keys() -> None:
    issuer = Issuer("https://issuer.invalid", None)
    sign_in = closed_sign_in(tokens=AccessTokens(issuer, AUDIENCE, "roles"))
    control = create_app(Control.empty().ports, CollectorRegistry(), sign_in)
    token = key_for(sign_in.keys, "ann", [Role.VIEWER])
    with console_over(control, **OWN) as browser:
        answer = browser.get("/sign-in")
        assert answer.status_code == 200
        assert "API keys are good" in answer.text
        form = form_of(answer.text, "/sign-in")
        assert browser.post("/sign-in", data=form | {"token": token}).status_code == 303


def test_without_a_client_of_its_own_the_console_offers_no_issuer(place: Place) -> None:
    with console_over(place.control) as browser:
        assert "Sign in with" not in browser.get("/sign-in").text
        answer = browser.get("/sign-in/issuer")
        assert answer.status_code == 400
        assert "FEDFACE_CONSOLE_OIDC_CLIENT_ID" in said(answer)


@pytest.mark.parametrize("audience", [AUDIENCE, None])
def test_an_issuer_that_wants_to_be_asked_for_the_audience_is_if_the_api_says_so(place: Place, audience: str | None) -> None:
    place.issuer.wants_to_be_asked_for_audience = True
    sign_in = closed_sign_in(tokens=AccessTokens(Issuer(place.issuer.url), AUDIENCE, "roles"))
    asking = Place(
        place.issuer,
        create_app(Control.empty().ports, CollectorRegistry(), replace(sign_in, audience=audience)),
        place.browsers,
    )
    browser = asking.browser()
    way = way_to_issuer(browser)
    assert parse_qs(urlsplit(way).query).get("audience") == ([audience] if audience else None)
    answer = browser.get(way_back(asking, way))
    assert (answer.status_code == 303) is (audience is not None), "a token for nothing but the issuer opens nothing"
