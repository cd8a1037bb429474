"""The errors of sign-in. Each one knows the headers of its answer."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from fedface_control.api.problems import problem_response
from fedface_core.domain.errors import FedFaceError
from fedface_core.domain.role import Role


class RefusedRequestError(FedFaceError):
    """A request that is answered before any operation sees it. ``headers`` belong to the answer."""

    status = HTTPStatus.FORBIDDEN
    title = "Refused request"
    headers: Mapping[str, str] = MappingProxyType({})


class NotSignedInError(RefusedRequestError):
    """The request has no credentials, or they are not to be believed. The message never quotes them."""

    status = HTTPStatus.UNAUTHORIZED
    title = "Not signed in"
    headers = MappingProxyType({"WWW-Authenticate": "Bearer"})

    def __init__(self, message: str = "sign in: send Authorization: Bearer, with an API key or an access token") -> None:
        super().__init__(message)


class BadCredentialsError(NotSignedInError):
    """The request has credentials that are not to be believed."""

    headers = MappingProxyType({"WWW-Authenticate": 'Bearer error="invalid_token"'})


class NotAllowedError(RefusedRequestError):
    """Who has signed in has not the ``role`` that the operation needs. A header names it for programs (RFC 6750)."""

    title = "Not allowed"

    def __init__(self, message: str, role: Role) -> None:
        super().__init__(message)
        self.headers = {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{role.value}"'}


class IssuerUnavailableError(RefusedRequestError):
    """The OIDC issuer does not answer, or not as OpenID Connect says, and so nobody's access token can be checked now."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "Issuer unavailable"


class TooManyRequestsError(RefusedRequestError):
    """An actor or an address has sent more requests than it may. ``seconds``: when it may send the next one."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    title = "Too many requests"

    def __init__(self, message: str = "", seconds: int = 60) -> None:
        super().__init__(message)
        self.headers = {"Retry-After": str(seconds)}


class MisdirectedRequestError(RefusedRequestError):
    """The request is for a host that this API is not."""

    status = HTTPStatus.MISDIRECTED_REQUEST
    title = "Misdirected request"


class ForeignPageError(RefusedRequestError):
    """The page of another site has a browser send a request that changes something."""

    title = "Foreign page"


class UnsupportedBodyError(RefusedRequestError):
    """The body of the request is not declared to be JSON."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    title = "Unsupported media type"


def refusal(error: FedFaceError) -> JSONResponse:
    """The answer to a request that is refused: the error as a problem, with its headers."""
    response = problem_response(error.title, error.status, str(error))
    if isinstance(error, RefusedRequestError):
        response.headers.update(error.headers)
    return response


def add_refusals(app: FastAPI) -> None:
    """Have the app answer to these errors with their headers too."""

    def answer(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RefusedRequestError)
        return refusal(error)

    app.add_exception_handler(RefusedRequestError, answer)
