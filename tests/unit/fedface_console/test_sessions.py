from __future__ import annotations

import base64
import hashlib
import json
import time

import pytest
from cryptography.fernet import Fernet
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from fedface_console.errors import ForgedFormError
from fedface_console.sessions import (
    LONGEST_SECONDS,
    LONGEST_TOKEN,
    SENT_AGAIN_SECONDS,
    Session,
    Sessions,
    session_of,
    set_session,
)

SECRET = "a secret that is long enough"


def app_with(secret: str = SECRET, *, secure: bool = False) -> FastAPI:
    app = FastAPI()

    @app.get("/token")
    async def token(request: Request) -> str | None:
        return session_of(request).token

    @app.get("/file")
    async def file() -> str:
        return "the same for everybody"

    @app.post("/token/{given}")
    async def begin(request: Request, given: str) -> None:
        set_session(request, Session(given))

    app.add_middleware(Sessions, secret=secret, secure=secure)
    return app


def test_a_session_is_kept_by_a_cookie_that_only_the_console_reads() -> None:
    browser = TestClient(app_with())
    browser.post("/token/ff_key_secret")
    assert browser.get("/token").json() == "ff_key_secret"
    assert "ff_key_secret" not in str(browser.cookies.get("fedface"))


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites() -> None:
    cookie = TestClient(app_with()).get("/token").headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Path=/", f"Max-Age={LONGEST_SECONDS}"} <= {*cookie.split("; ")}
    assert "Secure" not in cookie


def test_under_tls_the_cookie_is_of_this_very_host_and_never_travels_without() -> None:
    cookie = TestClient(app_with(secure=True)).get("/token").headers["set-cookie"]
    assert cookie.startswith("__Host-fedface=")
    assert "Secure" in cookie.split("; ")


def test_a_session_that_is_there_is_not_sent_again() -> None:
    browser = TestClient(app_with())
    browser.get("/token")
    assert "set-cookie" not in browser.get("/token").headers


@pytest.mark.parametrize("cookie", ["", "x", "gAAAAA==", "é", "a" * 5000])
def test_what_is_no_session_begins_a_new_one(cookie: str) -> None:
    answer = TestClient(app_with()).get("/token", headers={"cookie": f"fedface={cookie}".encode()})
    assert answer.json() is None
    assert "set-cookie" in answer.headers


def test_another_secret_and_another_shape_are_no_session() -> None:
    browser = TestClient(app_with("another secret, long enough too"))
    browser.post("/token/stolen")
    theirs = browser.cookies["fedface"]
    assert TestClient(app_with(), cookies={"fedface": theirs}).get("/token").json() is None
    strange = cipher().encrypt(json.dumps({"admin": True}).encode()).decode()
    assert TestClient(app_with(), cookies={"fedface": strange}).get("/token").json() is None


def test_a_session_ends_after_some_hours() -> None:
    session = json.dumps({"token": "old", "form_secret": "x"}).encode()
    for age, token in ((LONGEST_SECONDS - 60, "old"), (LONGEST_SECONDS + 60, None)):
        cookie = cipher().encrypt_at_time(session, int(time.time()) - age).decode()
        assert TestClient(app_with(), cookies={"fedface": cookie}).get("/token").json() == token


def test_a_form_brings_the_secret_of_its_session() -> None:
    session = Session()
    session.require_form(session.form_secret)
    for wrong in ("", "x", "é", Session().form_secret):
        with pytest.raises(ForgedFormError, match="Nothing was done"):
            session.require_form(wrong)


def cipher() -> Fernet:
    """The cipher of `SECRET`, which a browser has not."""
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(SECRET.encode()).digest()))


def test_the_cookie_of_the_longest_token_fits_into_what_browsers_keep() -> None:
    """Name, value and attributes: a browser drops a longer one, and whoever signed in would not be."""
    browser = TestClient(app_with(secure=True))
    sent = browser.post(f"/token/{'t' * LONGEST_TOKEN}").headers["set-cookie"]
    assert len(sent) <= 4096


def test_what_asks_for_no_session_brings_no_cookie() -> None:
    """A file of ours may be kept by a cache, and a cookie with it, for everybody."""
    answer = TestClient(app_with()).get("/file")
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers


def test_the_cookie_of_a_session_at_the_issuer_is_sent_again_before_it_ends() -> None:
    for fields, age, again in (
        ({"at_issuer": "id"}, SENT_AGAIN_SECONDS + 60, True),
        ({"at_issuer": "id"}, SENT_AGAIN_SECONDS - 60, False),
        ({"token": "a key"}, SENT_AGAIN_SECONDS + 60, False),
    ):
        session = json.dumps({"form_secret": "x", **fields}).encode()
        cookie = cipher().encrypt_at_time(session, int(time.time()) - age).decode()
        assert ("set-cookie" in TestClient(app_with(), cookies={"fedface": cookie}).get("/token").headers) == again
