"""Numbers that a person writes into a plan, a study or a request are numbers: neither `true` nor `"5"`, as JSON schemas say.

Pydantic is lenient unless a field is `StrictInt` or `StrictFloat`: it takes `true` for 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from fedface_core.contracts.sign_in import NewKey
from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.part import PlanPart
from fedface_lab.study.study_file import RepeatPlan, Study


def kinds_within(kind: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield kind
    for below in kind.__subclasses__():
        yield from kinds_within(below)


def types_of(schema: dict[str, Any]) -> set[str]:
    """The JSON types that a field's schema names, of its items too. A reference is a type of its own."""
    if "anyOf" in schema:
        return set().union(*map(types_of, schema["anyOf"]))
    if schema.get("type") == "array":
        return types_of(schema["items"]) if "items" in schema else {"array"}
    return {schema.get("type", "other")}


def numbers_of(kind: type[BaseModel]) -> Iterator[tuple[str, bool]]:
    """The fields that are numbers or lists of them, and whether they are lists."""
    for name, schema in kind.model_json_schema().get("properties", {}).items():
        if types_of(schema) <= {"integer", "number", "null"} and types_of(schema) != {"null"}:
            yield name, any(part.get("type") == "array" for part in (schema, *schema.get("anyOf", ())))


KINDS: list[type[BaseModel]] = [*kinds_within(PlanPart), Study, RepeatPlan, NewKey]
OURS = [kind for kind in KINDS if kind.__module__.startswith("fedface_")]
NUMBERS = [(kind, name, is_list) for kind in OURS for name, is_list in numbers_of(kind)]


def test_the_numbers_of_a_plan_are_found() -> None:
    assert (Plan, "rounds", False) in NUMBERS
    assert (NewKey, "days", False) in NUMBERS
    assert len(NUMBERS) > 80


@pytest.mark.parametrize("disguised", [True, "5"])
def test_neither_a_truth_value_nor_a_text_is_a_number(disguised: object) -> None:
    taken = []
    for kind, name, is_list in NUMBERS:
        try:
            kind.model_validate({name: [disguised] if is_list else disguised})
        except ValidationError as error:
            if any(problem["loc"][:1] == (name,) for problem in error.errors()):
                continue
        taken.append(f"{kind.__name__}.{name}")
    assert not taken
