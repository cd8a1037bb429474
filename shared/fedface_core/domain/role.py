"""The roles of people and of scripts: what each of them may do by the API."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """A role. The value is its name in keys, in tokens, and as an OAuth scope in the OpenAPI document."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    UPLOADER = "uploader"
    ADMIN = "admin"
    METRICS = "metrics"


MAY: Final = {
    Role.VIEWER: "see runs, rounds, models and reports",
    Role.OPERATOR: "create, clone, start, pause, resume and cancel runs, steer rounds, see dead letters; and what a viewer "
    "may",
    Role.UPLOADER: "upload models; and what a viewer may",
    Role.ADMIN: "everything: delete and restore runs, remove garbage, make and delete keys",
    Role.METRICS: "read `/metrics`, and nothing else",
}
"""What each role may do, for people. Which operation takes which role, the routes of the API say."""
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
