"""Errors of the API and of the connection are errors of ours, in words."""

from __future__ import annotations

import json

import httpx
import pytest
from pydantic import SecretStr

from fedface_cli.api_client import ControlApi
from fedface_cli.problem_json import problem_of, wrong_fields
from fedface_cli.sign_in_errors import NotAllowedError, NotSignedInError, TooManyRequestsError
from fedface_cli.token_auth import ApiAuth, TokenAuth
from fedface_core.contracts.http import PROBLEM_MEDIA_TYPE, FieldProblem
from fedface_core.domain.errors import FedFaceError, InvalidInputError, UnavailableError, WrongPhaseError
from fedface_core.domain.plan import Plan
from support.api_answers import RUN, client_of


def test_a_problem_names_its_fields() -> None:
    problem = {
        "title": "Invalid input",
        "status": 422,
        "detail": "the plan is wrong",
        "errors": [{"field": "cohort.quorum", "message": "must be positive"}],
    }
    client = client_of(lambda _: httpx.Response(422, json=problem, headers={"content-type": PROBLEM_MEDIA_TYPE}))
    with pytest.raises(InvalidInputError, match=r"(?s)the plan is wrong.*cohort\.quorum: must be positive"):
        client.create(Plan())


@pytest.mark.parametrize(
    ("kind", "title", "status"),
    [
        ("key-exists", "Key exists", 409),
        ("artifact-missing", "Artifact missing", 404),
        ("unheard-of", "Unheard of", 418),
        ("busy", "Busy", 503),
    ],
)
def test_a_problem_of_the_api_keeps_its_type_title_and_status(kind: str, title: str, status: int) -> None:
    told = {"type": f"urn:fedface:problem:{kind}", "title": title, "status": status, "detail": "why", "errors": []}
    client = client_of(lambda _: httpx.Response(status, json=told, headers={"content-type": PROBLEM_MEDIA_TYPE}))
    with pytest.raises(FedFaceError) as raised:
        client.me()
    assert problem_of(raised.value) == told


def test_an_error_of_the_command_itself_has_the_type_of_its_title() -> None:
    told = problem_of(wrong_fields("this is no plan", [FieldProblem(field="rounds", message="is required")]))
    assert (told["type"], told["title"], told["status"]) == ("urn:fedface:problem:invalid-input", "Invalid input", 422)
    assert problem_of(WrongPhaseError("no round yet"))["type"] == "urn:fedface:problem:wrong-phase"


def test_an_error_of_another_kind_of_server_is_told_by_its_status() -> None:
    with pytest.raises(FedFaceError, match="http://control/v1/runs answered 502 Bad Gateway"):
        client_of(lambda _: httpx.Response(502, text="<html>")).runs()


@pytest.mark.parametrize("status", [404, 409, 422])
def test_that_something_is_not_there_is_believed_of_a_control_api_only(status: int) -> None:
    """A proxy without a server behind it answers 404 too: then nobody has said that there is no such run."""
    with pytest.raises(UnavailableError, match=rf"answered {status} .*, and not as a control API does: correct --api-url"):
        client_of(lambda _: httpx.Response(status, text="<html>")).run(RUN)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (httpx.ConnectError("refused"), "no control API at http://control"),
        (httpx.ReadTimeout("slow"), "does not answer in time"),
        (httpx.RemoteProtocolError("bad"), "broke: bad"),
    ],
)
def test_a_transport_error_is_told_in_words(error: Exception, says: str) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(UnavailableError, match=says):
        client_of(answer).run(RUN)


TOKEN = "ff_0123456789abcdef_s3cr3t"


def refused(status: int, detail: str, headers: dict[str, str] | None = None, auth: ApiAuth | None = None) -> FedFaceError:
    """The error of a request that an API refuses so."""
    problem = {"title": "t", "status": status, "detail": detail}
    answer = httpx.Response(status, json=problem, headers={"content-type": PROBLEM_MEDIA_TYPE} | (headers or {}))
    api = ControlApi("http://control", httpx.MockTransport(lambda _: answer), auth=auth)
    with pytest.raises(FedFaceError) as told:
        api.me()
    return told.value


def test_who_has_not_signed_in_is_told_how_to() -> None:
    error = refused(401, "sign in first")
    assert isinstance(error, NotSignedInError)
    assert str(error) == "sign in first; sign in with `fedface login`, or give an API key in FEDFACE_TOKEN"


def test_whose_token_is_not_believed_is_told_where_it_came_from_and_the_token_is_not_quoted() -> None:
    auth = TokenAuth(SecretStr(TOKEN), "give another token")
    error = refused(401, f"the key {TOKEN} has ended", auth=auth)
    assert str(error) == "the key *** has ended; give another token"
    assert TOKEN not in json.dumps(problem_of(error))


@pytest.mark.parametrize(
    ("challenge", "says"),
    [
        (
            'Bearer error="insufficient_scope", scope="admin"',
            "you may not; this needs the role admin; an admin can give a key that has it: fedface keys create NAME",
        ),
        ('Bearer error="insufficient_scope"', "you may not"),
        ('Bearer scope="<script>"', "you may not"),
        ("", "you may not"),
    ],
)
def test_who_may_not_is_told_the_role(challenge: str, says: str) -> None:
    error = refused(403, "you may not", {"WWW-Authenticate": challenge})
    assert isinstance(error, NotAllowedError)
    assert str(error).startswith(says)


def test_a_role_that_the_api_names_itself_is_not_said_twice() -> None:
    error = refused(403, "this needs admin", {"WWW-Authenticate": 'Bearer scope="admin"'})
    assert str(error) == "this needs admin; an admin can give a key that has it: fedface keys create NAME --role admin"


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("7", 7), ("0", 1), ("999999999", 86_400), ("", 10), ("Wed, 21 Oct 2026 07:28:00 GMT", 10), ("-1", 10)],
)
def test_who_asks_too_often_is_told_how_long_to_wait(given: str, seconds: float) -> None:
    error = refused(429, "too many requests", {"Retry-After": given})
    assert isinstance(error, TooManyRequestsError)
    assert error.seconds == seconds
    assert str(error) == f"too many requests; try again in {seconds:g} s"


def test_an_api_that_says_itself_when_to_ask_again_is_not_repeated() -> None:
    assert str(refused(429, "try again in 7 seconds", {"Retry-After": "7"})) == "try again in 7 seconds"


def test_a_password_in_the_url_is_not_quoted() -> None:
    api = ControlApi("http://user:pw~1@control", httpx.MockTransport(lambda _: httpx.Response(418)))
    with pytest.raises(FedFaceError, match=r"http://\*\*\*@control/v1/me answered 418"):
        api.me()
