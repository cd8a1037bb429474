"""docs/plan.md says what the code says of each field of a plan."""

from __future__ import annotations

import re

from pydantic import BaseModel

from architecture.packages import ROOT
from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.field_names import parts_of
from support.plan_page import plan_page

PAGE = ROOT / "docs/plan.md"
TO_WRITE_IT = "PYTHONPATH=tests .venv/bin/python -m support.plan_page > docs/plan.md"


def rows() -> list[tuple[str, str, str]]:
    """Name, default and what it takes, of each field with a meaning, in the order of the page."""
    return re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \| .+ \|$", plan_page(), re.MULTILINE)


def test_the_page_is_that_of_the_code() -> None:
    assert PAGE.read_text(encoding="utf-8") == plan_page(), TO_WRITE_IT


def names_in(kind: type[BaseModel]) -> set[str]:
    """The names of all plain fields and choices, of every choice. The entries of a trace are a file of their own."""
    found: set[str] = set()
    for name, field in kind.model_fields.items():
        parts = [] if name == "trace" else parts_of(field)
        found |= {name} if len(parts) != 1 else set()
        found = found.union(*map(names_in, parts))
    return found


def test_every_field_has_a_row_with_a_meaning() -> None:
    assert {"strategy", "proximal", "trace", "quorum"} <= names_in(Plan)
    assert names_in(Plan) - {name for name, *_ in rows()} == set()


def test_a_default_is_shown_as_a_plan_file_has_it_and_what_must_be_given_as_such() -> None:
    assert ("far", "`[0.1, 0.01, 0.001, 0.0001]`", "list of number > 0, < 1") in rows()
    assert ("far", "none", "number > 0, < 1") in rows()
    assert ("optimiser", '`"average"`', "a choice") in rows()
    assert ("weights", '`"random"`, depends', "text") in rows()
    assert ("height", "depends", "integer > 0, ≤ 16,384") in rows()
    assert ("norm", "required", "number > 0, ≤ 1e+09") in rows()


def test_a_strategy_says_what_else_its_plan_needs() -> None:
    told = dict(re.findall(r"^\*\*`([a-z-]+)`\*\*: (.*)$", plan_page(), re.MULTILINE))
    assert told["fedfr"].endswith("(`split.public`). Synchronous runs only. Its plan leaves `spreadout` out.")
    assert "For simulations only." in told["local-only"]
    assert told["fedface"].endswith("spread out on the server.")
