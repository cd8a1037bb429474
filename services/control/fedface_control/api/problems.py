"""Errors as problem details (RFC 9457): what was wrong, which field, what would be right. Never a traceback."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from fedface_core.contracts.field_problems import MOST_CHARACTERS, field_problem
from fedface_core.contracts.http import PROBLEM_MEDIA_TYPE, FieldProblem, Problem, problem_type
from fedface_core.domain.errors import FedFaceError
from fedface_core.domain.free_text import cut
from fedface_core.domain.plan import Plan
from fedface_core.http_server.capacity import RETRY_AFTER_SECONDS

log = structlog.get_logger(__name__)

MOST_ERRORS = 20
"""How many wrong fields an answer names. A body may have a hundred thousand of them."""

HTTP_TITLES: Final[dict[int, str]] = {
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",  # its name since RFC 9110, which Python 3.11 does not know
    500: "Internal error",
    501: "Not Implemented",
    503: "Busy",
}
"""The titles of problems that are no `FedFaceError`, by their status. docs/problems.md has a section on each."""


def add_problem_handlers(app: FastAPI) -> None:
    """Have the app answer with problem details to our errors, FastAPI's, Starlette's and any unexpected one."""
    app.add_exception_handler(FedFaceError, _fedface_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ClientDisconnect, _client_left)
    app.add_exception_handler(Exception, _unexpected_error)


def problem_response(title: str, status: int, detail: str, errors: Sequence[FieldProblem] = ()) -> JSONResponse:
    """The response with one problem; ``errors`` names the wrong fields, if there are any.

    If the status is 503, the header `Retry-After` says when to ask again.
    """
    problem = Problem(type=problem_type(title), title=title, status=status, detail=detail, errors=list(errors))
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return JSONResponse(problem.model_dump(), status_code=status, headers=headers, media_type=PROBLEM_MEDIA_TYPE)


def busy_response(reason: str) -> JSONResponse:
    """The response to a request that the API could carry out later: a problem of status 503. It closes the connection."""
    detail = f"{reason}; try again in {RETRY_AFTER_SECONDS} seconds"
    response = problem_response("Busy", HTTPStatus.SERVICE_UNAVAILABLE, detail)
    response.headers["Connection"] = "close"
    return response


def _fedface_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, FedFaceError)
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request_failed", error=str(error))
    return problem_response(error.title, error.status, str(error))


def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found_errors = error.errors()
    kind = _kind_of_body(request)
    errors = [_field_problem(kind, found, error.body) for found in found_errors[:MOST_ERRORS]]
    detail = "; ".join(f"{found.field}: {found.message}" if found.field else found.message for found in errors)
    if len(found_errors) > MOST_ERRORS:
        detail += f"; these are the first {MOST_ERRORS} of {len(found_errors)} errors"
    return problem_response("Invalid input", HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors)


def _kind_of_body(request: Request) -> type[BaseModel]:
    """What the body of the request should have been: a plan too where it has changes of one."""
    body = getattr(request.scope.get("route"), "body_field", None)
    kind = None if body is None else body.field_info.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else Plan


def _field_problem(kind: type[BaseModel], found: Mapping[str, Any], body: object) -> FieldProblem:
    """One error of pydantic's or FastAPI's as an answer names it."""
    if found["type"] == "json_invalid":
        return FieldProblem(
            field="", message=f"the body is not JSON: {found['ctx']['error']} at character {found['loc'][-1]}"
        )
    steps = tuple(step for step in found["loc"] if step != "body")
    return field_problem(kind, {**found, "loc": steps}, body)


def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    detail = f"{cut(request.method, MOST_CHARACTERS)} {cut(request.url.path, MOST_CHARACTERS)}: {error.detail}"
    title = HTTP_TITLES.get(error.status_code) or HTTPStatus(error.status_code).phrase
    response = problem_response(title, error.status_code, detail)
    response.headers.update(error.headers or {})
    return response


def _client_left(request: Request, _error: Exception) -> JSONResponse:
    """Nobody gets this answer: the client has gone, or was cut, before its body was whole. That is no crash."""
    log.info("client_left", path=cut(request.url.path, MOST_CHARACTERS))
    return problem_response("Bad Request", HTTPStatus.BAD_REQUEST, "the body of this request has not come whole")


def _unexpected_error(request: Request, error: Exception) -> JSONResponse:
    log.error("request_crashed", path=request.url.path, exc_info=error)
    return problem_response("Internal error", 500, "an unexpected error; control's log has it with its traceback")
