"""The console's page Access over the real API: who the reader is, what roles may do, and the keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import pytest
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry

from fedface_control.api.app import create_app
from fedface_control.auth.sign_in import SignIn
from fedface_core.domain.role import MAY, Role, with_included
from support.console import by_hand, console_over, form_of
from support.control_rounds import Control
from support.signing_in import bearer, closed_sign_in, key_for


class Place:
    """An API that takes keys, and a console over it."""

    def __init__(self, sign_in: SignIn) -> None:
        self.sign_in = sign_in
        self.control = create_app(Control.empty().ports, CollectorRegistry(), sign_in)

    def status_for(self, key: str) -> int:
        """What the API answers to who shows this key."""
        return int(TestClient(self.control).get("/v1/me", headers=bearer(key)).status_code)


@pytest.fixture(scope="module")
def served() -> Place:
    return Place(closed_sign_in())


@pytest.fixture
def place(served: Place) -> Place:
    for key, _ in served.sign_in.keys.all():
        served.sign_in.keys.delete(key.id)
    return served


@pytest.fixture
def browser(place: Place) -> Iterator[TestClient]:
    with console_over(place.control) as made:
        yield made


def signed_in(place: Place, browser: TestClient, *roles: Role) -> str:
    """Sign in with a key that has these roles; what the page shows."""
    form = form_of(browser.get("/sign-in").text, "/sign-in")
    token = key_for(place.sign_in.keys, "ann", roles)
    assert browser.post("/sign-in", data=form | {"token": token}).status_code == 303
    return str(browser.get("/access").text)


def made_key(html: str) -> str:
    found = re.search(r'id="made-key" class="secret" value="([^"]+)"', html)
    assert found, html
    return unescape(found[1])


def make(browser: TestClient, **fields: str) -> str:
    form = form_of(browser.get("/access").text, "/access/keys")
    fields = form | {"name": "nightly", "days": "30", "role-operator": "on"} | fields
    return str(browser.post("/access/keys", data=fields).text)


def test_the_page_says_who_the_reader_is_and_what_each_role_may(place: Place, browser: TestClient) -> None:
    html = signed_in(place, browser, Role.OPERATOR)
    assert "<strong>key:ann</strong> by a key or a token, with the roles operator, viewer." in html
    for role, may in MAY.items():
        assert f"<td>{may.replace('`/metrics`', '<code>/metrics</code>')}</td>" in html
        assert (f'{role} <span class="good">(yours)</span>' in html) == (role in (Role.OPERATOR, Role.VIEWER))


def test_the_table_of_operations_is_that_of_the_routes(place: Place, browser: TestClient) -> None:
    html = signed_in(place, browser, Role.VIEWER)
    document = TestClient(place.control).get("/openapi.json").json()
    shown = dict(re.findall(r"<td><code>([A-Z]+ /[^<]*)</code></td>(.*)</tr>", html))
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            scopes = {scope for way in operation.get("security", []) for names in way.values() for scope in names}
            row = shown.pop(f"{method.upper()} {path}", None)
            assert (row is not None) == bool(scopes)
            if row is not None:
                cells = re.findall(r">(yes|no)<", row)
                assert cells == ["yes" if scopes <= with_included([role]) else "no" for role in Role]
    assert shown == {}
    summaries = re.findall(r'<th scope="row">([^<]+)</th><td><code>[A-Z]+ /', html)
    assert len({*summaries}) == len(summaries), "each says what it does, and to what"
    assert {"Create key", "Delete key"} <= {*summaries}


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.UPLOADER])
def test_keys_are_for_admins(place: Place, browser: TestClient, role: Role) -> None:
    html = signed_in(place, browser, role)
    assert "API keys" not in html
    form = form_of(html, "/sign-out")
    answer = browser.post("/access/keys", data=form | {"name": "x", "days": "1", "role-admin": "on"})
    assert answer.status_code == 403
    assert "this takes the role admin" in answer.text


def test_a_key_is_made_shown_once_used_and_deleted(place: Place, browser: TestClient) -> None:
    signed_in(place, browser, Role.ADMIN)
    key = made_key(make(browser))
    assert place.status_for(key) == 200
    html = browser.get("/access").text
    assert key not in html
    row = html.split('<th scope="row">nightly</th>')[1].split("</tr>")[0]
    assert "<td>operator</td><td>key:ann</td>" in row
    address = re.search(r'action="(/access/keys/[0-9a-f]{16}/delete)"', row)
    assert address
    answer = browser.post(address[1], data=form_of(html, address[1]))
    assert (answer.status_code, answer.headers["location"]) == (303, "/access#keys")
    assert place.status_for(key) == 401
    assert '<th scope="row">nightly</th>' not in browser.get("/access").text


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"name": ""}, "name"),
        ({"name": "ünicode"}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": "first"}, "is that of a key in the settings"),
        ({"name": "ann"}, "ann"),
        ({"days": "0"}, "days"),
        ({"days": "9999999999"}, "days"),
        ({"days": "soon"}, "days"),
        ({"days": ""}, "days"),
    ],
)
def test_a_wrong_key_is_not_made_and_what_is_wrong_is_named(
    place: Place, browser: TestClient, fields: dict[str, str], why: str
) -> None:
    signed_in(place, browser, Role.ADMIN)
    html = make(browser, **fields)
    wrong = html.split('id="wrong">')[1].split("</div>")[0]
    assert "No key was made." in wrong
    assert why in unescape(wrong)
    assert 'name="role-operator" checked' in html, "what was filled in stays"
    assert len([*place.sign_in.keys.all()]) == 1


def test_a_key_without_a_role_is_not_made(place: Place, browser: TestClient) -> None:
    signed_in(place, browser, Role.ADMIN)
    form = form_of(browser.get("/access").text, "/access/keys")
    html = browser.post("/access/keys", data=form | {"name": "idle", "days": "1"}).text
    assert "<code>roles</code>" in html.split('id="wrong">')[1]


def test_no_key_is_made_or_deleted_by_a_form_of_another_session(place: Place, browser: TestClient) -> None:
    signed_in(place, browser, Role.ADMIN)
    ((kept, _),) = place.sign_in.keys.all()
    for address in ("/access/keys", f"/access/keys/{kept.id}/delete"):
        for secret in ({}, {"form_secret": "0" * 32}):
            answer = browser.post(address, data=secret | {"name": "x", "days": "1", "role-admin": "on"})
            assert answer.status_code == 403
    assert [key for key, _ in place.sign_in.keys.all()] == [kept]


def test_the_page_with_a_key_is_kept_by_no_cache_and_the_key_stands_in_no_address(place: Place, browser: TestClient) -> None:
    signed_in(place, browser, Role.ADMIN)
    form = form_of(browser.get("/access").text, "/access/keys")
    answer = browser.post("/access/keys", data=form | {"name": "nightly", "days": "1", "role-viewer": "on"})
    assert answer.headers["cache-control"] == "no-store"
    assert "location" not in answer.headers
    assert made_key(answer.text) not in str(answer.url)


def test_a_key_that_is_gone_is_said_plainly(place: Place, browser: TestClient) -> None:
    html = signed_in(place, browser, Role.ADMIN)
    answer = browser.post(f"/access/keys/{'0' * 16}/delete", data=form_of(html, "/sign-out"))
    assert answer.status_code == 404
    assert "no API key" in answer.text or "no key" in answer.text


def test_where_nobody_signs_in_everybody_may_do_everything() -> None:
    _, control = by_hand()
    with console_over(control) as browser:
        html = browser.get("/access").text
    assert "This API asks nobody to sign in." in html
    assert "Make a key" in html
