"""What goes wrong between the commands and the control API, as our own error tree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from fedface_core.contracts.http import PROBLEM_MEDIA_TYPE, Problem
from fedface_core.domain.errors import FedFaceError, InvalidInputError, NotFoundError, UnavailableError, WrongPhaseError

_ERRORS = {404: NotFoundError, 409: WrongPhaseError, 413: InvalidInputError, 422: InvalidInputError, 503: UnavailableError}


class BrokenConnectionError(UnavailableError):
    """No answer came. ``may_have_arrived`` is False where nobody took the connection."""

    def __init__(self, message: str, *, may_have_arrived: bool = True) -> None:
        super().__init__(message)
        self.may_have_arrived = may_have_arrived


@contextmanager
def transport_errors_in_words(url: str) -> Iterator[None]:
    """httpx's errors as ours."""
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
        raise BrokenConnectionError(f"the control API at {url} broke off: {error}") from None


def raise_for_problem(response: httpx.Response) -> None:
    """The error that the API answered with, and the wrong fields that it names."""
    if response.is_success:
        return
    response.read()
    kind = _ERRORS.get(response.status_code, FedFaceError)
    if response.headers.get("content-type", "").split(";")[0] != PROBLEM_MEDIA_TYPE:
        raise kind(f"{response.request.url} answered {response.status_code} {response.reason_phrase}")
    problem = Problem.model_validate_json(response.content)
    fields = "".join(f"\n  {wrong.field}: {wrong.message}" for wrong in problem.errors)
    raise kind(problem.detail + fields)
