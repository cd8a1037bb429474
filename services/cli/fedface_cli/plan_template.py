"""A plan file to begin with: every field of a plan with its meaning, and the default of what the preset leaves alone."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

import tomlkit
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from fedface_cli.plan_presets import PRESETS
from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.field_names import parts_of

_WIDTH: Final = 110


def plan_template(preset: str) -> str:
    """The TOML text of a preset. What it does not set stands as a comment with its default, which becomes a setting without
    the ``#``.
    """
    given = PRESETS[preset]
    whole = Plan.model_validate(given)
    plan = whole.model_dump(mode="json")
    document = tomlkit.document()
    document.add(tomlkit.comment("A plan of a run. A line that begins with `# ` and a field has the field's default."))
    parts: dict[str, type[BaseModel]] = {}
    missing: dict[str, type[BaseModel]] = {}
    for name, field in Plan.model_fields.items():
        kinds = parts_of(field)
        if len(kinds) == 1:  # TOML has tables after all plain values
            (parts if getattr(whole, name) is not None else missing)[name] = kinds[0]
        else:
            _add(document, name, field, _value(plan, name, field), given)
    for name, kind in parts.items():
        table = tomlkit.table()
        part = getattr(whole, name).model_dump(mode="json")  # a part with nothing but defaults may not be in the plan's JSON
        for field_name, field in kind.model_fields.items():
            if field_name in part or field.exclude_if is not None:
                value = _value(part, field_name, field)
                _add(table, field_name, field, value, given.get(name, {}))
        document.add(name, table)
    return tomlkit.dumps(document) + "".join(_missing_part(name, kind) for name, kind in missing.items())


def _missing_part(name: str, kind: type[BaseModel]) -> str:
    """A part that the plan does not have, as comments: its meaning, and its table with the defaults, further indented."""
    lines = [f"# {line}" for line in _meaning(Plan.model_fields[name])]
    lines += [f"# {name} is not set. With all its defaults it would be:", f"#   [{name}]"]
    for field_name, field in kind.model_fields.items():
        lines += [f"#   # {line}" for line in _meaning(field)]
        lines.append(f"#   {field_name} = {tomlkit.item(field.default).as_string()}")
    return "\n" + "\n".join(lines) + "\n"


def _value(dumped: Mapping[str, Any], name: str, field: FieldInfo) -> Any:
    """The value of a field in a plan's JSON; its default if the JSON leaves it out because it has that."""
    if name in dumped:
        return dumped[name]
    return TypeAdapter(Any).dump_python(field.get_default(call_default_factory=True), mode="json")


def _add(to: Any, name: str, field: FieldInfo, value: Any, given: Mapping[str, Any]) -> None:
    to.add(tomlkit.nl())
    for line in _meaning(field):
        to.add(tomlkit.comment(line))
    if isinstance(given.get(name), Mapping):  # a choice with parameters, of which only those that the preset sets
        choice = tomlkit.inline_table()
        choice.update(given[name])
        to.add(name, choice)
        return
    if isinstance(value, dict):  # a choice: its name stands for it
        value = value["name"]
    if name in given:
        to.add(name, value)
    elif value is None:
        to.add(tomlkit.comment(f"{name} is not set."))
    else:
        to.add(tomlkit.comment(f"{name} = {tomlkit.item(value).as_string()}"))


def _meaning(field: FieldInfo) -> Iterator[str]:
    text = field.description or ""
    choices = _choices(field.annotation)
    if choices:
        text = f"{text} One of: {', '.join(choices)}.".strip()
    for paragraph in text.splitlines():
        yield from textwrap.wrap(paragraph, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _choices(annotation: Any) -> list[str]:
    """The names that a field takes, if it takes only some."""
    found: dict[str, None] = {}
    pending = [annotation]
    while pending:
        one = pending.pop(0)
        if isinstance(one, type) and issubclass(one, BaseModel):
            name = one.model_fields.get("name")
            pending[:0] = [] if name is None else [name.annotation]
        elif isinstance(one, str):
            found[one] = None
        else:
            pending[:0] = get_args(one)
    return list(found)
