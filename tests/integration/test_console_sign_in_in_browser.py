"""Signing in to the console at an issuer of another site, and the page Access, in a real browser.

The console is at ``localhost`` and the issuer at ``127.0.0.1``, which are two sites for a browser: cookies that do not
travel from one site to another are lost here as they would be between two hosts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect
from prometheus_client import CollectorRegistry

from fedface_control.api.app import create_app
from fedface_control.auth.access_tokens import AccessTokens
from fedface_control.auth.issuer import Issuer
from fedface_control.auth.sign_in import SignIn
from fedface_core.domain.role import Role
from fedface_stack.children import Children
from fedface_stack.local_ports import free_ports
from support.api_by_hand import ByHand
from support.browser import Watched, violations
from support.console import served_console
from support.oidc_issuer import AUDIENCE, CONSOLE_CLIENT_ID, SmallIssuer, serving_issuer
from support.served_app import served
from support.signing_in import closed_sign_in, key_for


@dataclass(frozen=True)
class Place:
    """A console by the name ``localhost``, the issuer, and who may use the API."""

    url: str
    issuer: SmallIssuer
    sign_in: SignIn


@pytest.fixture(scope="module")
def served_place(
    served_api: ByHand, server_processes: Children, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    (port,) = free_ports(1)
    url = f"http://localhost:{port}"
    home = tmp_path_factory.mktemp("console")
    with serving_issuer() as issuer:
        sign_in = closed_sign_in(tokens=AccessTokens(Issuer(issuer.url), AUDIENCE, "roles"))
        control = create_app(served_api.ports, CollectorRegistry(), sign_in)
        own = {"console_url": url, "console_oidc_client_id": CONSOLE_CLIENT_ID}
        with served(control) as api_url, served_console(server_processes, home, api_url, port, **own):
            yield Place(url, issuer, sign_in)


@pytest.fixture
def place(served_place: Place) -> Place:
    served_place.issuer.seconds = 300
    served_place.issuer.person = {"sub": "ann"}
    served_place.issuer.granted.clear()
    served_place.issuer.answers["/favicon.ico"] = (204, {}, b"")
    return served_place


@pytest.fixture
def watched(browser: Browser, place: Place) -> Iterator[Watched]:
    with Watched(browser, place.url) as made:
        yield made
        assert [one for one in made.complaints if not one.startswith(f"a request to {place.issuer.url}")] == []


def sign_in_at_issuer(page: Page) -> None:
    """Go to the issuer from the page to sign in, and be the person that the issuer knows."""
    page.get_by_role("link", name="Sign in with 127.0.0.1").click()
    page.get_by_role("link", name="I am who I say").click()


@pytest.mark.long
def test_a_session_that_ends_at_the_issuer_says_so_and_comes_back_to_the_same_page(
    watched: Watched, place: Place, api: ByHand
) -> None:
    run_id = api.started()
    page = watched.page
    page.goto(f"/runs/{run_id}")
    assert violations(page) == []
    place.issuer.seconds = 1
    sign_in_at_issuer(page)
    expect(page.locator("#accepted")).to_have_text("0")
    assert page.url == f"{place.url}/runs/{run_id}"
    expect(page.locator(".who")).to_contain_text("oidc:ann")
    page.wait_for_timeout(1000)  # the token ends, and is renewed
    api.accept(run_id, 0, 1)
    expect(page.locator("#accepted")).to_have_text("1")
    place.issuer.granted.clear()
    page.wait_for_timeout(1000)
    api.accept(run_id, 0, 2)
    expect(page.locator("#notice")).to_contain_text("You are signed out")
    expect(page.locator("#notice")).to_contain_text("has ended (invalid_grant)")
    place.issuer.seconds = 300
    page.get_by_role("link", name="Sign in again").click()
    expect(page.locator("#ended")).to_contain_text("You are signed out")
    sign_in_at_issuer(page)
    expect(page.locator("#accepted")).to_have_text("2")
    assert page.url == f"{place.url}/runs/{run_id}"


def test_a_link_of_another_site_keeps_the_reader_signed_in(watched: Watched, place: Place, api: ByHand) -> None:
    """As one in an e-mail about an alert: its reader was asked to sign in, and was signed out on all other pages too."""
    run_id = api.created()
    link = f'<!doctype html><title>Mail</title><a href="{place.url}/runs/{run_id}">your run</a>'.encode()
    place.issuer.answers["/mail"] = (200, {"Content-Type": "text/html"}, link)
    page = watched.page
    page.goto("/sign-in")
    page.get_by_label("API key or access token").fill(key_for(place.sign_in.keys, "by link", [Role.VIEWER]))
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("h1")).to_have_text("Runs")
    page.goto(f"{place.issuer.url}/mail")
    page.get_by_role("link", name="your run").click()
    expect(page.locator("#state")).to_contain_text("created")
    page.goto("/models")
    expect(page.locator(".who")).to_contain_text("key:by link")


def test_an_answer_that_this_browser_did_not_ask_for_signs_nobody_in(watched: Watched, place: Place) -> None:
    page = watched.page
    page.goto("/sign-in/issuer/done?state=of-somebody-else&code=of-somebody-else")
    expect(page.get_by_role("alert").first).to_contain_text("This browser has begun no such sign-in")
    assert violations(page) == []
    watched.complaints.clear()  # the browser's own line about status 400
    page.goto("/models")
    expect(page.locator("h1")).to_have_text("Sign in")


@pytest.mark.long
def test_an_admin_makes_a_key_copies_it_and_deletes_it(watched: Watched, place: Place) -> None:
    place.issuer.person = {"sub": "ada", "roles": ["admin"]}
    watched.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=place.url)
    page = watched.page
    page.goto("/access")
    sign_in_at_issuer(page)
    page.get_by_label("Name", exact=True).fill("nightly")
    page.get_by_label("operator", exact=True).check()
    page.get_by_role("button", name="Make the key").click()
    key = page.get_by_label("The new key").input_value()
    assert key.startswith("ff_")
    page.get_by_role("button", name="Copy").click()
    expect(page.locator("#made-key-copied")).to_have_text("It is copied.")
    assert page.evaluate("navigator.clipboard.readText()") == key
    assert violations(page) == []
    assert place.sign_in.principal(key).actor == "key:nightly"
    page.goto("/access")
    assert key not in page.content()
    page.get_by_role("button", name="Delete the key nightly").click()
    dialog = page.get_by_role("dialog", name="Delete the key nightly?")
    dialog.get_by_role("button", name="No").click()
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Delete the key nightly").click()
    dialog.get_by_role("button", name="Yes, delete it").click()
    expect(page.get_by_role("button", name="Delete the key nightly")).to_have_count(0)
    assert "nightly" not in {one.name for one, _ in place.sign_in.keys.all()}


def test_signing_out_leads_on_to_the_issuer(watched: Watched, place: Place) -> None:
    page = watched.page
    page.goto("/access")
    sign_in_at_issuer(page)
    expect(page.locator("h1")).to_have_text("Access")
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("#out")).to_contain_text("You have signed out.")
    assert violations(page) == []
    expect(page.get_by_role("link", name="sign out there too")).to_be_visible()
    assert place.issuer.granted == {}
    page.go_back()
    expect(page.locator("h1")).to_have_text("Sign in")
