"""What docs/security.md says that a compromised part can and cannot do: each row names tests, and each of them exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from architecture.packages import ROOT
from fedface_core.access.permissions import Identity

PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")
CHAPTER = PAGE.partition("## What a compromised part can do\n")[2].partition("\n## ")[0]
ROWS = [line.strip("| ").split(" | ") for line in CHAPTER.splitlines() if line.startswith(("| can", "| cannot"))]
NAMED = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


def names_in(file: Path) -> set[str]:
    return {node.name for node in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1][:60])
def test_each_claim_names_a_test_that_exists(row: list[str]) -> None:
    claim, _, tests = row
    assert claim in ("can", "cannot")
    assert re.fullmatch(rf"({NAMED.pattern},? ?)+", tests), "give the test as `folder/test_file.py::test_name`"
    for file, name in NAMED.findall(tests):
        assert name in names_in(ROOT / "tests" / file), f"{file} has no {name}"


def test_every_line_of_the_tables_is_a_claim() -> None:
    lines = [line for line in CHAPTER.splitlines() if line.startswith("|")]
    heads = [line for line in lines if line in ("| | what | test |", "|---|---|---|")]
    assert len(lines) - len(heads) == len(ROWS) > 40


@pytest.mark.parametrize(
    "part",
    [
        *("A client", "A client worker", "The aggregator", "The evaluator", "Control: the API, and its worker (`sweep`)"),
        *("Prometheus", "Redis", "The artifact store", "Who sends requests to the API"),
    ],
)
def test_each_part_has_something_that_it_cannot_do(part: str) -> None:
    table = CHAPTER.partition(f"### {part}\n")[2].partition("\n### ")[0]
    assert "| cannot |" in table


def test_every_identity_is_one_of_these_parts() -> None:
    words = CHAPTER.lower()
    spoken = {Identity.CLIENT: "client worker", Identity.METRICS: "prometheus", Identity.GATEWAY: None}
    missing = [one for one in Identity if (word := spoken.get(one, str(one))) is not None and word not in words]
    assert missing == []
