"""Errors as problems of RFC 9457, for scripts: those that the API answered with, and those of the command itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from fedface_core.contracts.http import NO_TYPE, FieldProblem, Problem, problem_type
from fedface_core.domain.credentials import mask_credentials
from fedface_core.domain.errors import FedFaceError, InvalidInputError

WRONG_USAGE: Final = "Wrong usage"
"""The title of the problem that only a command line has. docs/cli.md names its type."""


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
    """The error as a problem: its message in ``detail``, and the wrong fields of it one by one in ``errors``.

    If the API answered with it, type, title and status are the API's.
    """
    cause = error.__cause__
    problem = cause.problem if isinstance(cause, ProblemError) else None
    if problem is None:
        return _problem(error.title, error.status, str(error))
    if problem.errors:
        # The fields are said once, in ``errors``; the message has them for people.
        errors = [wrong.model_dump() for wrong in problem.errors]
        return _problem(problem.title, problem.status, problem.detail, errors, kind=problem.type)
    return _problem(problem.title, problem.status, str(error), kind=problem.type)


def usage_problem(message: str) -> dict[str, Any]:
    """The problem of a command line that is no command: an unknown option, a missing argument."""
    return _problem(WRONG_USAGE, InvalidInputError.status, message)


def _problem(
    title: str, status: int, detail: str, errors: Sequence[dict[str, Any]] = (), kind: str = NO_TYPE
) -> dict[str, Any]:
    """A problem, with the type that belongs to its title if ``kind`` says none."""
    told = problem_type(title) if kind == NO_TYPE else kind
    return _masked({"type": told, "title": title, "status": status, "detail": detail, "errors": [*errors]})


def _masked(problem: dict[str, Any]) -> dict[str, Any]:
    """The problem with the credentials in URLs hidden, which an API may have quoted."""
    errors = [{name: mask_credentials(text) for name, text in wrong.items()} for wrong in problem["errors"]]
    return problem | {"detail": mask_credentials(problem["detail"]), "errors": errors}
