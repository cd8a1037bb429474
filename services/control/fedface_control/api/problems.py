"""Errors as problem details (RFC 9457): what was wrong, which field, what would be right. Never a traceback."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from fedface_control.api.capacity import RETRY_AFTER_SECONDS
from fedface_core.contracts.http import PROBLEM_MEDIA_TYPE, FieldProblem, Problem
from fedface_core.domain.errors import FedFaceError

log = structlog.get_logger(__name__)

MOST_ERRORS = 20
"""How many wrong fields an answer names. A body may have a hundred thousand of them."""
MOST_CHARACTERS = 300
"""How much of a field's name, or of a message about it, an answer repeats."""

_ANY_BODY = {
    "400": "The body has not come whole, or is no text in UTF-8.",
    "413": "The body is larger than the API takes.",
}
_ANY_OPERATION = {"503": "The API serves as many as it can, or the ledger or the artifact store cannot be used now."}
_WITHOUT_PORTS = ("/healthz", "/metrics")

_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_VALIDATION_ERROR = {"$ref": "#/components/schemas/HTTPValidationError"}


class ProblemApi(FastAPI):
    """A FastAPI whose OpenAPI describes errors as problem details instead of FastAPI's own validation errors."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, with problem details as the body of each error."""
        described = super().openapi()
        for path, operations in described["paths"].items():
            for operation in operations.values():
                operation["summary"] = operation["summary"].capitalize()
                common = {} if path in _WITHOUT_PORTS else _ANY_OPERATION
                if "requestBody" in operation:
                    common = common | _ANY_BODY
                for status, description in common.items():
                    problem = {"description": description, "content": {PROBLEM_MEDIA_TYPE: {"schema": _PROBLEM}}}
                    operation["responses"].setdefault(status, problem)
                for response in operation["responses"].values():
                    schema = response.get("content", {}).get("application/json", {}).get("schema")
                    if schema in (_PROBLEM, _VALIDATION_ERROR):
                        response["content"] = {PROBLEM_MEDIA_TYPE: {"schema": _PROBLEM}}
        for unused in ("HTTPValidationError", "ValidationError"):
            described["components"]["schemas"].pop(unused, None)
        return described


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
    problem = Problem(title=title, status=status, detail=detail, errors=list(errors))
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


def _validation_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found_errors = error.errors()
    errors = [_field_problem(found) for found in found_errors[:MOST_ERRORS]]
    detail = "; ".join(f"{found.field}: {found.message}" if found.field else found.message for found in errors)
    if len(found_errors) > MOST_ERRORS:
        detail += f"; these are the first {MOST_ERRORS} of {len(found_errors)} errors"
    return problem_response("Invalid input", HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors)


def _field_problem(found: dict[str, Any]) -> FieldProblem:
    if found["type"] == "json_invalid":
        return FieldProblem(
            field="", message=f"the body is not JSON: {found['ctx']['error']} at character {found['loc'][-1]}"
        )
    path = ".".join(str(part) for part in found["loc"] if part != "body")
    message = {
        "extra_forbidden": "there is no such field",
        "missing": "is required",
    }.get(found["type"], str(found["msg"]).removeprefix("Value error, "))
    return FieldProblem(field=_shortened(path), message=_shortened(message))


def _shortened(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"


def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    detail = f"{_shortened(request.method)} {_shortened(request.url.path)}: {error.detail}"
    if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        title = "Content Too Large"  # its name since RFC 9110, which Python 3.11 does not know
    else:
        title = HTTPStatus(error.status_code).phrase
    response = problem_response(title, error.status_code, detail)
    response.headers.update(error.headers or {})
    return response


def _client_left(request: Request, _error: Exception) -> JSONResponse:
    """Nobody gets this answer: the client has gone, or was cut, before its body was whole. That is no crash."""
    log.info("client_left", path=_shortened(request.url.path))
    return problem_response("Bad Request", HTTPStatus.BAD_REQUEST, "the body of this request has not come whole")


def _unexpected_error(request: Request, error: Exception) -> JSONResponse:
    log.error("request_crashed", path=request.url.path, exc_info=error)
    return problem_response("Internal error", 500, "an unexpected error; control's log has it with its traceback")
