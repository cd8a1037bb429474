"""Operations have the names that a generated client should give its functions."""

from __future__ import annotations

import re
from typing import Any


def operations(described: dict[str, Any]) -> dict[str, str]:
    """Method and path → operation id."""
    return {
        f"{method.upper()} {path}": operation["operationId"]
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    }


def test_each_name_is_one_of_its_own_and_begins_with_a_verb(described: dict[str, Any]) -> None:
    names = [*operations(described).values()]
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"[a-z]+([A-Z][a-z]+)+", name)] == []


def test_names_do_not_come_from_paths(described: dict[str, Any]) -> None:
    named = operations(described)
    assert named["POST /v1/runs"] == "createRun"
    assert named["POST /v1/runs/{run_id}/start"] == "startRun"
    assert named["GET /v1/runs/{run_id}/events"] == "watchRun"
    assert named["GET /v1/runs"] == "listRuns"
    assert named["POST /v1/restore"] == "restoreLostRuns"


def test_the_summary_says_the_same_in_words(described: dict[str, Any]) -> None:
    assert described["paths"]["/v1/runs/{run_id}/start"]["post"]["summary"] == "Start run"
