"""A person signs in from the command line at the real API, by the issuer that it names, and is let in with that token."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from prometheus_client import CollectorRegistry

from fedface_cli import issuer as issuer_module
from fedface_control.api.app import create_app
from fedface_control.auth.access_tokens import AccessTokens
from fedface_control.auth.issuer import Issuer
from support.command_line import Invoke
from support.control_rounds import Control
from support.oidc_issuer import AUDIENCE, CLIENT_ID, SmallIssuer, serving_issuer
from support.served_app import served
from support.signing_in import closed_sign_in


@dataclass
class Place:
    """The API's address, its issuer, and who confirms the codes, with which claims; None for nobody."""

    url: str
    issuer: SmallIssuer
    person: dict[str, Any] | None = None


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Place]:
    """The test's parameter, if it has one, is the audience that the API has its clients ask the issuer for."""
    for name in ("CONFIG", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name))
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with serving_issuer() as issuer:
        tokens = AccessTokens(Issuer(issuer.url), AUDIENCE, "roles")
        sign_in = closed_sign_in(tokens=tokens, client_id=CLIENT_ID)
        sign_in = replace(sign_in, audience=getattr(request, "param", None))
        app = create_app(Control.empty().ports, CollectorRegistry(), sign_in)
        with served(app) as url:
            monkeypatch.setenv("FEDFACE_API_URL", url)
            place = Place(url, issuer)

            def confirm(_seconds: float) -> None:
                for code in [*issuer.waiting] if place.person else []:
                    issuer.confirm(code, **(place.person or {}))

            monkeypatch.setattr(issuer_module, "pause", confirm)
            yield place
    structlog.reset_defaults()


def test_from_the_login_to_a_request_that_is_let_in(fedface: Invoke, place: Place) -> None:
    code, _, err = fedface("run", "list")
    assert (code, "fedface login" in err) == (1, True)
    place.person = {"sub": "ann", "roles": ["operator"]}
    code, out, err = fedface("login", "--json")
    assert (code, json.loads(err)["verification_uri"]) == (0, f"{place.issuer.url}/confirm"), err
    told = json.loads(out)
    assert (told["actor"], told["roles"]) == ("oidc:ann", ["operator", "viewer"])
    assert json.loads(fedface("run", "list", "--json")[1])["runs"] == []
    assert fedface("whoami")[1] == f"oidc:ann at {place.url}; roles: operator, viewer\n"
    code, _, err = fedface("keys", "list")
    assert (code, "the role admin" in err) == (1, True)
    assert fedface("logout")[0] == 0
    assert fedface("run", "list")[0] == 1


def test_a_session_is_renewed_as_long_as_the_issuer_allows_it(fedface: Invoke, place: Place) -> None:
    place.person = {"sub": "ann", "roles": ["viewer"]}
    place.issuer.seconds = 1  # each token ends before the next command
    assert fedface("login")[0] == 0
    asked = place.issuer.asked["/token"]
    for renewed in (1, 2):
        assert fedface("run", "list")[0] == 0
        assert place.issuer.asked["/token"] == asked + renewed
    place.issuer.granted.clear()
    code, _, err = fedface("run", "list")
    assert (code, "your session has ended" in err) == (1, True)


def test_a_token_for_another_api_is_not_kept(fedface: Invoke, place: Place, tmp_path: Path) -> None:
    place.person = {"sub": "ann", "aud": "another-api"}
    code, out, err = fedface("login")
    assert (code, out, "audience" in err) == (1, "", True), err
    assert not [path for path in (tmp_path / "STATE").rglob("*") if path.is_file()]


@pytest.mark.parametrize(("place", "let_in"), [(AUDIENCE, True), (None, False)], indirect=["place"])
def test_an_issuer_that_wants_to_be_asked_for_the_audience_is_if_the_api_says_so(
    fedface: Invoke, place: Place, let_in: bool
) -> None:
    place.issuer.wants_to_be_asked_for_audience = True
    place.person = {"sub": "ann", "roles": ["operator"]}
    code, _, _ = fedface("login")
    assert (code == 0) is let_in
