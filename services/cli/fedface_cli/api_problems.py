"""Errors between the commands and the control API, as our own error tree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from fedface_core.contracts.http import PROBLEM_MEDIA_TYPE, Problem
from fedface_core.domain.errors import FedFaceError, InvalidInputError, NotFoundError, UnavailableError, WrongPhaseError

_ERRORS = {404: NotFoundError, 409: WrongPhaseError, 413: InvalidInputError, 422: InvalidInputError, 503: UnavailableError}


class BrokenConnectionError(UnavailableError):
    """No answer came. ``may_have_arrived`` is False if no connection was made, so that the request did not arrive."""

    def __init__(self, message: str, *, may_have_arrived: bool = True) -> None:
        super().__init__(message)
        self.may_have_arrived = may_have_arrived


@contextmanager
def mapped_transport_errors(url: str) -> Iterator[None]:
    """A context in which httpx's transport errors are raised as `BrokenConnectionError`, which names the API's ``url``."""
    try:
        yield
    except httpx.ConnectError:
        raise BrokenConnectionError(
            f"no control API at {url}: start one with `fedface up` or `docker compose up`, "
            "or say where it is with FEDFACE_API_URL",
            may_have_arrived=False,
        ) from None
    except httpx.TimeoutException:
        raise BrokenConnectionError(f"the control API at {url} does not answer in time; try again") from None
    except httpx.TransportError as error:
        raise BrokenConnectionError(f"the connection to the control API at {url} broke: {error}") from None


def raise_for_problem(response: httpx.Response) -> None:
    """Raise the error that the API answered with; its message names the wrong fields. Nothing if the answer is a success.

    The error's class follows from the HTTP status; it is `FedFaceError` if the status is not one that the API gives.
    """
    if response.is_success:
        return
    response.read()
    kind = _ERRORS.get(response.status_code, FedFaceError)
    if response.headers.get("content-type", "").split(";")[0] != PROBLEM_MEDIA_TYPE:
        raise kind(f"{response.request.url} answered {response.status_code} {response.reason_phrase}")
    problem = Problem.model_validate_json(response.content)
    fields = "".join(f"\n  {wrong.field}: {wrong.message}" for wrong in problem.errors)
    raise kind(problem.detail + fields)
