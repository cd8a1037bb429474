"""All JSON is whole JSON: a number that is not finite, which JSON has no word for, is an error and not a bare NaN."""

from __future__ import annotations

import ast

import pytest

from architecture.packages import ROOT, SOURCES

WRITERS = {"json.dumps", "json.dump", "json.JSONEncoder"}


def lenient(code: str) -> list[str]:
    """The places in a module that could write NaN. Pydantic writes null, unless it is told otherwise."""
    found = []
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Call() if ast.unparse(node.func) in WRITERS:
                strict = any(given.arg == "allow_nan" and ast.unparse(given.value) == "False" for given in node.keywords)
                found += [] if strict else [f"{node.lineno}: {ast.unparse(node.func)} without allow_nan=False"]
            case ast.keyword(arg="ser_json_inf_nan"):
                found.append(f"{node.value.lineno}: ser_json_inf_nan")
            case ast.ImportFrom(module="json"):
                found.append(f"{node.lineno}: write json.dumps, so that it is found")
    return found


def test_json_that_is_written_is_strict() -> None:
    assert len(SOURCES) > 100
    complaints = {str(path.relative_to(ROOT)): lenient(path.read_text(encoding="utf-8")) for path in SOURCES}
    assert {path: found for path, found in complaints.items() if found} == {}


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("json.dumps(x)", ["1: json.dumps without allow_nan=False"]),
        ("json.dump(x, file, allow_nan=True)", ["1: json.dump without allow_nan=False"]),
        ("json.dumps(x, allow_nan=False)", []),
        ("ConfigDict(ser_json_inf_nan='constants')", ["1: ser_json_inf_nan"]),
        ("from json import dumps", ["1: write json.dumps, so that it is found"]),
    ],
)
def test_what_is_lenient(code: str, found: list[str]) -> None:
    assert lenient(code) == found
