"""docs/plan.md, made of what the code says of each field of a plan. ``python -m support.plan_page`` prints it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from typing import Any, Final, get_args

import tomlkit
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.field_names import parts_of
from fedface_core.domain.plan.part import default_depends
from fedface_core.domain.plan.strategy import IN_PROCESS, ONLY_SUMS, SYNCHRONOUS, WITH_PUBLIC, WITHOUT_SPREADOUT

_INTRODUCTION: Final = """\
# The plan

Every field of a plan: its default, what it takes, and its meaning. `fedface plan init plan.toml` writes them all into a
file, to begin with ([presets](cli.md#plans)); `fedface plan check plan.toml` says what is wrong with one. A plan is TOML or
JSON, an unknown or wrong field is refused by name, and a run never changes its plan. Formulas and sources are in
[algorithm.md](algorithm.md#strategies), and what to think of in operation in [operations.md](operations.md#a-run).

What *depends* follows from another field, as the meaning says. A *choice* is written as its name, which takes the defaults
of its parameters, or as a table:

```toml
strategy = "fedprox"
aggregation.optimiser = {name = "sgd", learning_rate = 0.1, weight_decay = 2e-3}
```

This page is made of the code by `tests/support/plan_page.py`, and a test compares the two.
"""
_OF_STRATEGIES: Final = (
    (IN_PROCESS, "For simulations only."),
    (WITH_PUBLIC, "It needs two public identities at least (`split.public`)."),
    (SYNCHRONOUS, "Synchronous runs only."),
    (ONLY_SUMS, "Without `model.centring` and error feedback."),
    (WITHOUT_SPREADOUT, "Its plan leaves `spreadout` out."),
)
_LIMITS: Final = (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))
"""Key of a JSON schema → how the page writes it."""


def plan_page() -> str:
    """The text of the page."""
    parts = {name: parts_of(field)[0] for name, field in Plan.model_fields.items() if len(parts_of(field)) == 1}
    lines = [_INTRODUCTION, "## The whole", ""]
    lines += _table(Plan, leave_out=parts.keys())
    lines += _choices(Plan, "", depth=3)
    for name, part in parts.items():
        lines += ["", f"## `[{name}]`", "", _told(part), ""]
        lines += _table(part)
        lines += _choices(part, f"{name}.", depth=3)
    return "\n".join(lines) + "\n"


def _table(kind: type[BaseModel], leave_out: Any = ()) -> list[str]:
    schema = kind.model_json_schema()
    rows = []
    for name, field in kind.model_fields.items():
        if name not in leave_out:
            takes = _takes(field, schema["properties"][name], schema)
            rows.append(f"| `{name}` | {_default(kind, name)} | {takes} | {_cell(field.description)} |")
    return ["| field | default | takes | meaning |", "|---|---|---|---|", *rows] if rows else []


def _choices(kind: type[BaseModel], prefix: str, *, depth: int) -> Iterator[str]:
    """A section for each choice among the fields of ``kind``, with a table for each that has parameters."""
    for name, field in kind.model_fields.items():
        chosen = parts_of(field)
        if len(chosen) < 2:
            continue
        yield from ("", f"{'#' * depth} `{prefix}{name}`")
        for part in chosen:
            named = get_args(part.model_fields["name"].annotation)
            notes = [note for names, note in _OF_STRATEGIES if name == "strategy" and {*named} <= names]
            yield from ("", f"**{', '.join(f'`{one}`' for one in named)}**: {' '.join([_told(part), *notes])}")
            table = _table(part, leave_out={"name"})
            yield from ["", *table] if table else []


def _default(kind: type[BaseModel], name: str) -> str:
    field = kind.model_fields[name]
    if field.is_required():
        return "required" if _must_be_given(kind, name) else "depends"
    value = TypeAdapter(Any).dump_python(field.get_default(call_default_factory=True), mode="json")
    if isinstance(value, dict):  # a choice: its name stands for it
        value = value["name"]
    shown = "none" if value is None else f"`{tomlkit.item(value).as_string()}`"
    return f"{shown}, depends" if field.json_schema_extra is default_depends else shown


def _must_be_given(kind: type[BaseModel], name: str) -> bool:
    """Whether no other field decides what this one is by default."""
    own_name = kind.model_fields.get("name")
    given = {} if own_name is None else {"name": get_args(own_name.annotation)[0]}
    try:
        kind.model_validate(given)
    except ValidationError as error:
        return any(problem["loc"] == (name,) for problem in error.errors())
    return False


def _takes(field: FieldInfo, schema: dict[str, Any], whole: dict[str, Any]) -> str:
    """What a field takes, by its JSON schema."""
    if len(parts_of(field)) > 1:
        return "a choice"
    kinds = [_resolved(one, whole) for one in schema.get("anyOf", [schema])]
    return " or ".join(_described(one, whole) for one in kinds if one.get("type") != "null")


def _resolved(schema: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = whole["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    return found


def _described(schema: dict[str, Any], whole: dict[str, Any]) -> str:
    names = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
    if names:
        return ", ".join(f"`{one}`" for one in names)
    kind = schema.get("type")
    if kind == "array":
        return f"list of {_described(_resolved(schema['items'], whole), whole)}"
    if kind == "object":
        return "table"
    words = {"boolean": "`true`, `false`", "string": "text"}.get(str(kind), str(kind))
    limits = [f"{sign} {_number(schema[limit])}" for limit, sign in _LIMITS if limit in schema]
    return " ".join([words, ", ".join(limits)]).strip()


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _told(kind: type[BaseModel]) -> str:
    """What the docstring says, on one line, as Markdown."""
    return " ".join((inspect.getdoc(kind) or "").replace("``", "`").split())


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(plan_page())
