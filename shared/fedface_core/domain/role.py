"""The roles of people and of scripts: what each of them may do by the API."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """A role. The value is its name in keys, in tokens, and as an OAuth scope in the OpenAPI document."""

    VIEWER = "viewer"
    """Sees runs, rounds, models and reports."""
    OPERATOR = "operator"
    """Creates runs and steers them, and sees what a viewer sees."""
    UPLOADER = "uploader"
    """Uploads models, and sees what a viewer sees."""
    ADMIN = "admin"
    """May do everything: delete and restore runs, remove garbage, make and delete keys."""
    METRICS = "metrics"
    """Reads ``/metrics``, and nothing else."""


_INCLUDED: Final = {
    Role.VIEWER: frozenset({Role.VIEWER}),
    Role.OPERATOR: frozenset({Role.OPERATOR, Role.VIEWER}),
    Role.UPLOADER: frozenset({Role.UPLOADER, Role.VIEWER}),
    Role.ADMIN: frozenset(Role),
    Role.METRICS: frozenset({Role.METRICS}),
}


def with_included(roles: Iterable[Role]) -> frozenset[Role]:
    """The roles, and those that they include: an operator is a viewer too, and an admin is everything."""
    return frozenset[Role]().union(*(_INCLUDED[role] for role in roles))
