"""The errors of the control API, as a test reads them."""

from __future__ import annotations

from httpx import Response

from fedface_core.contracts.http import Problem, problem_type


def problem(response: Response, status: int, title: str) -> Problem:
    """The problem details of an error, which has nothing else in its body."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    shown = Problem.model_validate(response.json())
    assert response.json().keys() == Problem.model_fields.keys()
    assert (shown.status, shown.title, shown.type) == (status, title, problem_type(title))
    return shown
