from __future__ import annotations

from typing import Any

import pytest

from fedface_console.errors import ApiAwayError
from fedface_console.plan_form import GENERAL, PlanForm, differences

NAMED = {"fedavg": "", "a": ""}
SIZE = {"type": "integer", "exclusiveMinimum": 0, "maximum": 1_000_000}
COHORT = {
    "description": "Who is invited.",
    "properties": {
        "size": {
            "anyOf": [{"type": "integer", "exclusiveMinimum": 0, "maximum": 1_000_000}, {"type": "null"}],
            "default": None,
        },
        "share": {"type": "number", "default": 0.5},
    },
}
SCHEMAS: dict[str, Any] = {
    "Plan": {
        "properties": {
            "name": {"type": "string", "default": "fedface", "description": "Its name."},
            "rounds": {"type": "integer", "default": 8, "minimum": 1},
            "flip": {"type": "boolean", "default": False},
            "channels": {"enum": [1, 3], "type": "integer", "default": 3},
            "strategy": {
                "oneOf": [{"$ref": "#/components/schemas/A"}],
                "discriminator": {"mapping": {"fedavg": "", "a": ""}},
            },
            "far": {"type": "array", "default": [0.1]},
            "cohort": {"$ref": "#/components/schemas/Cohort", "description": "Whom a round invites."},
        }
    },
    "Cohort": COHORT,
    "A": {"type": "object"},
}
EXAMPLES = {"small": {"summary": "A small one", "value": {"rounds": 2, "cohort": {"size": 3}}}}
BODY = {"content": {"application/json": {"schema": {}, "examples": EXAMPLES}}}
DOCUMENT = {"components": {"schemas": SCHEMAS}, "paths": {"/v1/runs": {"post": {"requestBody": BODY}}}}
FORM = PlanForm(DOCUMENT)


def test_a_part_of_the_plan_is_a_group_and_what_stands_alone_comes_first() -> None:
    assert [(group.name, len(group.fields)) for group in FORM.groups] == [(GENERAL, 6), ("cohort", 2)]
    assert FORM.groups[1].description == "Whom a round invites."


def test_a_field_knows_what_it_takes() -> None:
    kinds = {path: field.kind for path, field in FORM.fields.items()}
    assert kinds == {
        "name": "text", "rounds": "integer", "flip": "boolean", "channels": "choice", "strategy": "json", "far": "json",
        "cohort.size": "integer", "cohort.share": "number",
    }  # fmt: skip
    assert FORM.fields["cohort.size"].bounds == "above 0, at most 1,000,000"
    assert FORM.fields["strategy"].bounds == "one of a, fedavg, or JSON"
    assert FORM.fields["far"].default == "[0.1]"


def test_what_is_left_empty_is_left_out() -> None:
    assert FORM.plan({"name": " ", "cohort.size": "", "unknown": "x"}) == ({}, [])


@pytest.mark.parametrize(
    ("path", "text", "plan"),
    [
        ("name", " by hand ", {"name": "by hand"}),
        ("rounds", "3", {"rounds": 3}),
        ("flip", "true", {"flip": True}),
        ("channels", "1", {"channels": 1}),
        ("channels", "2", {"channels": "2"}),
        ("strategy", "fedavg", {"strategy": "fedavg"}),
        ("strategy", '{"name": "a"}', {"strategy": {"name": "a"}}),
        ("far", "[0.1, 0.01]", {"far": [0.1, 0.01]}),
        ("cohort.share", "1e-1", {"cohort": {"share": 0.1}}),
    ],
)
def test_a_text_is_a_value_of_its_field(path: str, text: str, plan: dict[str, Any]) -> None:
    assert FORM.plan({path: text}) == (plan, [])


@pytest.mark.parametrize(
    ("path", "text"),
    [("rounds", "x"), ("rounds", "1.5"), ("flip", "yes"), ("far", "[0.1"), ("cohort.share", "NaN"), ("cohort.share", "x")],
)
def test_a_text_that_is_no_value_is_named(path: str, text: str) -> None:
    plan, wrong = FORM.plan({path: text, "name": "n"})
    assert plan == {"name": "n"}
    assert [one.field for one in wrong] == [path]


def test_what_a_plan_has_and_is_no_default_is_shown() -> None:
    plan = {"name": "fedface", "rounds": 2, "flip": True, "cohort": {"size": 3, "share": 0.5}, "strategy": {"name": "a"}}
    assert FORM.values(plan) == {"rounds": "2", "flip": "true", "cohort.size": "3", "strategy": '{"name": "a"}'}
    again, _ = FORM.plan(FORM.values(plan))
    assert again == {"rounds": 2, "flip": True, "cohort": {"size": 3}, "strategy": {"name": "a"}}


def test_presets_are_the_examples_of_the_api() -> None:
    assert FORM.presets["small"].plan == {"rounds": 2, "cohort": {"size": 3}}


@pytest.mark.parametrize("document", [None, [], {}, {"components": {"schemas": {}}}, {"components": {"schemas": SCHEMAS}}])
def test_a_document_without_a_plan_is_of_another_version(document: Any) -> None:
    with pytest.raises(ApiAwayError, match="another version"):
        PlanForm(document)


def test_plans_differ_where_their_fields_do() -> None:
    plans: list[dict[str, Any]] = [{"a": {"b": 1, "c": 2}, "n": None}, {"a": {"b": 1, "c": 3}, "d": "x", "n": None}]
    assert differences(plans) == [("a.c", ["2", "3"]), ("d", ["–", "x"])]
