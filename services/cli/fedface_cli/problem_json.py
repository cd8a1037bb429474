"""Errors as problems of RFC 9457, for scripts: those that the API answered with, and those of the command itself."""

from __future__ import annotations

from typing import Any

from fedface_core.contracts.http import FieldProblem, Problem
from fedface_core.domain.credentials import mask_credentials
from fedface_core.domain.errors import FedFaceError, InvalidInputError


class ProblemError(Exception):
    """Why an error was raised: a problem, which has more than the error's message. It is the error's ``__cause__``."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def wrong_fields(complaint: str, wrong: list[FieldProblem]) -> InvalidInputError:
    """An error that says ``complaint`` and names each wrong field on a line of its own."""
    lines = (f"\n  {one.field}: {one.message}" if one.field else f"\n  {one.message}" for one in wrong)
    error = InvalidInputError(f"{complaint}:{''.join(lines)}")
    detail = mask_credentials(complaint)
    error.__cause__ = ProblemError(Problem(title=error.title, status=error.status, detail=detail, errors=wrong))
    return error


def problem_of(error: FedFaceError) -> dict[str, Any]:
    """The error as a problem: its message in ``detail``, and the wrong fields of it one by one in ``errors``."""
    cause = error.__cause__
    if isinstance(cause, ProblemError) and cause.problem.errors:
        # The fields are said once, in ``errors``; the message has them for people.
        detail = cause.problem.detail
        errors = [wrong.model_dump() for wrong in cause.problem.errors]
    else:
        detail = str(error)
        errors = []
    kind = cause.problem.type if isinstance(cause, ProblemError) else "about:blank"
    return _masked({"type": kind, "title": error.title, "status": error.status, "detail": detail, "errors": errors})


def usage_problem(message: str) -> dict[str, Any]:
    """The problem of a command line that is no command: an unknown option, a missing argument."""
    status = InvalidInputError.status
    return _masked({"type": "about:blank", "title": "Wrong usage", "status": status, "detail": message, "errors": []})


def _masked(problem: dict[str, Any]) -> dict[str, Any]:
    """The problem with the credentials in URLs hidden, which an API may have quoted."""
    errors = [{name: mask_credentials(text) for name, text in wrong.items()} for wrong in problem["errors"]]
    return problem | {"detail": mask_credentials(problem["detail"]), "errors": errors}
