"""Code that reads easily: one assignment a line, and docstrings that stand alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from architecture.packages import ROOT, SOURCES

TESTS = sorted((ROOT / "tests").rglob("*.py"))
# What can only be understood with a neighbour at hand, or says "where" of a condition.
LEANING: Final = (
    r"\bdo(?:es)? so\b",
    r"\bas above\b",
    r"\bsee above\b",
    r"\bits last part\b",
    r"\bthe same, ",
    r"^the same\b",
    r"Error` where\b",
    r"\b[Nn]one where\b",
    r"\bWhether .* where\b",
)


def packed(code: str) -> list[int]:
    """The lines that assign several values at once. Unpacking one value and swapping two is not that."""
    lines = []
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.Assign):
            continue
        target = node.targets[0]
        several = isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
        if len(node.targets) > 1 or (several and not swaps(target, node.value)):
            lines.append(node.lineno)
    return lines


def swaps(target: ast.expr, value: ast.expr) -> bool:
    """Whether an assignment only exchanges what its names hold."""
    return sorted(map(ast.unparse, getattr(target, "elts", []))) == sorted(map(ast.unparse, getattr(value, "elts", [])))


def docstrings(code: str) -> Iterator[tuple[int, str]]:
    """Each docstring, with the line that it documents."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "lineno", 1), " ".join(text.split())


def place(path: Path, line: int) -> str:
    """A line of a file, as an editor takes it."""
    return f"{path.relative_to(ROOT)}:{line}"


def test_a_line_assigns_one_value() -> None:
    assert packed("a, b = f(), g()\nx = y = 0\n(a, (b, c)) = f(), g()") == [1, 2, 3]
    assert packed("a, b = f()\na, b = b, a\nfor k, v in d.items(): pass") == []
    assert [place(path, line) for path in (*SOURCES, *TESTS) for line in packed(path.read_text())] == []


def test_docstrings_stand_alone() -> None:
    pattern = re.compile("|".join(LEANING))
    assert pattern.search("The rows. `NotFoundError` where there are none.")
    assert pattern.search("The same for a column.".lower())
    found = [
        f"{place(path, line)}: {text[:90]}"
        for path in SOURCES
        for line, text in docstrings(path.read_text())
        if pattern.search(text)
    ]
    assert found == []
