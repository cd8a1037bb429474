"""Errors between the commands and the control API, as our own error tree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from pydantic import ValidationError

from fedface_cli.problem_json import ProblemError
from fedface_cli.sign_in_errors import NotAllowedError, NotSignedInError, TooManyRequestsError
from fedface_core.contracts.http import PROBLEM_MEDIA_TYPE, Problem
from fedface_core.domain.certificate_problems import certificate_problem
from fedface_core.domain.credentials import mask_url
from fedface_core.domain.errors import (
    DamagedObjectError,
    FedFaceError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
    UnknownSchemaError,
    WrongPhaseError,
)

NOBODY = "sign in with `fedface login`, or give an API key in FEDFACE_TOKEN"
"""What to do if an API wants to know who asks, and nobody has signed in."""
# A proxy answers 407 if the credentials in its URL are missing or wrong.
_ERRORS: dict[int, type[FedFaceError]] = {
    401: NotSignedInError,
    403: NotAllowedError,
    404: NotFoundError,
    407: InvalidInputError,
    409: WrongPhaseError,
    413: InvalidInputError,
    422: InvalidInputError,
}
# What the API says of its records and of a request's body. Another server at its URL knows of neither.
_SAID_BY_THE_API_ONLY = (404, 409, 422)
# Faults of the server that trying again does not mend: what it has stored cannot be read.
_ERRORS_BY_TITLE = {kind.title: kind for kind in (DamagedObjectError, UnknownSchemaError)}


_SCOPE = re.compile(r'scope="([a-z][a-z_-]{0,40})"')
_SECONDS = re.compile(r"[0-9]{1,9}")
_DEFAULT_RETRY = 10.0
_LONGEST_RETRY = 86_400


class BrokenConnectionError(UnavailableError):
    """No answer came. ``may_have_arrived`` is False if no connection was made, so that the request did not arrive."""

    def __init__(self, message: str, *, may_have_arrived: bool = True) -> None:
        super().__init__(message)
        self.may_have_arrived = may_have_arrived


@contextmanager
def mapped_transport_errors(where: str, authorities: str = "SSL_CERT_FILE") -> Iterator[None]:
    """A context in which httpx's transport errors are raised as `BrokenConnectionError`, which says ``where`` the API is.

    ``authorities`` names what says which authorities are trusted.

    A request that cannot even be written, for a character in its path or its headers, is an `InvalidInputError`.
    """
    try:
        yield
    except httpx.ConnectError as error:
        refused = certificate_problem(str(error), authorities)
        if refused is not None:
            raise UnavailableError(f"the control API at {where} cannot be trusted ({error}): {refused}") from None
        raise BrokenConnectionError(
            f"no control API at {where}: start one with `fedface up` or `docker compose up`, "
            "or say where it is with --api-url or FEDFACE_API_URL",
            may_have_arrived=False,
        ) from None
    except httpx.TimeoutException:
        raise BrokenConnectionError(f"the control API at {where} does not answer in time; try again") from None
    except httpx.TransportError as error:
        raise BrokenConnectionError(f"the connection to the control API at {where} broke: {error}") from None
    except (httpx.InvalidURL, UnicodeEncodeError) as error:
        raise InvalidInputError(f"this cannot be sent to the control API: {error}; correct the argument") from None


def raise_for_problem(response: httpx.Response, through: str = "", remedy: str = NOBODY) -> None:
    """Raise the error that the API answered with; its message names the wrong fields. Nothing if the answer is a success.

    The error's class follows from the HTTP status. A fault of the server, or of a proxy before it, is an `UnavailableError`:
    trying again may help, unless it is about a record that cannot be read. So is an answer that only the API can give, and
    another server gave. It is `FedFaceError` if the status is not one that the API gives. ``through`` names the proxy,
    ``remedy`` says what to do if the API does not believe who asks.
    """
    if response.is_success:
        return
    response.read()
    status = response.status_code
    kind = UnavailableError if response.is_server_error else _ERRORS.get(status, FedFaceError)
    problem = _problem(response)
    if problem is None:
        url = mask_url(str(response.request.url))
        message = f"{url}{through} answered {status} {response.reason_phrase}"
        if status in _SAID_BY_THE_API_ONLY:
            raise UnavailableError(f"{message}, and not as a control API does: correct --api-url or FEDFACE_API_URL")
    else:
        message = problem.detail + "".join(f"\n  {wrong.field}: {wrong.message}" for wrong in problem.errors)
        kind = _ERRORS_BY_TITLE.get(problem.title, kind)
    cause = None if problem is None else ProblemError(problem)
    match status:
        case 401:
            raise NotSignedInError(f"{message}; {remedy}") from cause
        case 403:
            raise NotAllowedError(f"{message}{_needed(response, message)}") from cause
        case 429:
            seconds = _retry_after(response)
            when = "" if "try again" in message else f"; try again in {seconds:g} s"
            raise TooManyRequestsError(message + when, seconds) from cause
        case _:
            raise kind(message) from cause


def _needed(response: httpx.Response, message: str) -> str:
    """How to get the role that the API names in its challenge, and which one it is if the ``message`` does not say so."""
    found = _SCOPE.search(response.headers.get("www-authenticate", ""))
    if found is None:
        return ""
    names_it = "" if found[1] in message else f"this needs the role {found[1]}; "
    return f"; {names_it}an admin can give a key that has it: fedface keys create NAME --role {found[1]}"


def _retry_after(response: httpx.Response) -> float:
    """When to ask again, in seconds. A date, which HTTP allows too, is taken for the default."""
    given = response.headers.get("retry-after", "")
    return float(min(max(int(given), 1), _LONGEST_RETRY)) if _SECONDS.fullmatch(given) else _DEFAULT_RETRY


def _without_token(text: str, request: httpx.Request) -> str:
    """The text of an answer without the token of its request, which a server may have repeated."""
    _, _, token = request.headers.get("authorization", "").partition(" ")
    return text.replace(token, "***") if token else text


def _problem(response: httpx.Response) -> Problem | None:
    """The problem in an answer, or None if the answer is no problem of the API's."""
    if response.headers.get("content-type", "").split(";")[0] != PROBLEM_MEDIA_TYPE:
        return None
    try:
        return Problem.model_validate_json(_without_token(response.text, response.request))
    except ValidationError:
        return None
