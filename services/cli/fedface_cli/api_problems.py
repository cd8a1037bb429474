"""Errors between the commands and the control API, as our own error tree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from pydantic import ValidationError

from fedface_core.contracts.http import PROBLEM_MEDIA_TYPE, Problem
from fedface_core.domain.certificate_problems import certificate_problem
from fedface_core.domain.errors import (
    DamagedObjectError,
    FedFaceError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
    UnknownSchemaError,
    WrongPhaseError,
)

# A proxy answers 407 if the credentials in its URL are missing or wrong.
_ERRORS = {
    404: NotFoundError,
    407: InvalidInputError,
    409: WrongPhaseError,
    413: InvalidInputError,
    422: InvalidInputError,
}
# Faults of the server that trying again does not mend: what it has stored cannot be read.
_ERRORS_BY_TITLE = {kind.title: kind for kind in (DamagedObjectError, UnknownSchemaError)}


class BrokenConnectionError(UnavailableError):
    """No answer came. ``may_have_arrived`` is False if no connection was made, so that the request did not arrive."""

    def __init__(self, message: str, *, may_have_arrived: bool = True) -> None:
        super().__init__(message)
        self.may_have_arrived = may_have_arrived


@contextmanager
def mapped_transport_errors(where: str) -> Iterator[None]:
    """A context in which httpx's transport errors are raised as `BrokenConnectionError`, which says ``where`` the API is.

    A request that cannot even be written, for a character in its path or its headers, is an `InvalidInputError`.
    """
    try:
        yield
    except httpx.ConnectError as error:
        refused = certificate_problem(str(error), "SSL_CERT_FILE")
        if refused is not None:
            raise UnavailableError(f"the control API at {where} cannot be trusted ({error}): {refused}") from None
        raise BrokenConnectionError(
            f"no control API at {where}: start one with `fedface up` or `docker compose up`, "
            "or say where it is with FEDFACE_API_URL",
            may_have_arrived=False,
        ) from None
    except httpx.TimeoutException:
        raise BrokenConnectionError(f"the control API at {where} does not answer in time; try again") from None
    except httpx.TransportError as error:
        raise BrokenConnectionError(f"the connection to the control API at {where} broke: {error}") from None
    except (httpx.InvalidURL, UnicodeEncodeError) as error:
        raise InvalidInputError(f"this cannot be sent to the control API: {error}; correct the argument") from None


def raise_for_problem(response: httpx.Response, through: str = "") -> None:
    """Raise the error that the API answered with; its message names the wrong fields. Nothing if the answer is a success.

    The error's class follows from the HTTP status. A fault of the server, or of a proxy before it, is an `UnavailableError`:
    trying again may help, unless it is about a record that cannot be read. It is `FedFaceError` if the status
    is not one that the API gives. ``through`` names the proxy.
    """
    if response.is_success:
        return
    response.read()
    kind = UnavailableError if response.is_server_error else _ERRORS.get(response.status_code, FedFaceError)
    problem = _problem(response)
    if problem is None:
        raise kind(f"{response.request.url}{through} answered {response.status_code} {response.reason_phrase}")
    fields = "".join(f"\n  {wrong.field}: {wrong.message}" for wrong in problem.errors)
    raise _ERRORS_BY_TITLE.get(problem.title, kind)(problem.detail + fields)


def _problem(response: httpx.Response) -> Problem | None:
    """The problem in an answer, or None if the answer is no problem of the API's."""
    if response.headers.get("content-type", "").split(";")[0] != PROBLEM_MEDIA_TYPE:
        return None
    try:
        return Problem.model_validate_json(response.content)
    except ValidationError:
        return None
