"""A form for a plan, made of the API's own JSON schema; and a plan made of what the form brings back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from fedface_console.errors import ApiAwayError
from fedface_core.contracts.http import FieldProblem
from fedface_core.domain.plan.differing_fields import differing_fields

Kind = Literal["text", "integer", "number", "boolean", "choice", "json"]
GENERAL: Final = "general"
_MOST_DEPTH: Final = 20
_NOT_GIVEN: Final = object()


@dataclass(frozen=True)
class Field:
    """One field of a plan: its dotted path, what it is for, and what it takes."""

    path: str
    kind: Kind
    description: str
    default: str
    choices: tuple[str, ...] = ()
    values: tuple[Any, ...] = ()
    """What the plan has for each of the choices, which may be a number."""
    bounds: str = ""


@dataclass(frozen=True)
class Group:
    """The fields of one part of a plan."""

    name: str
    description: str
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Preset:
    """A plan to begin with."""

    summary: str
    plan: dict[str, Any]


class PlanForm:
    """The form, of the API's OpenAPI document. `ApiAwayError` if that describes no plan."""

    def __init__(self, document: Any) -> None:
        try:
            self._schemas = document["components"]["schemas"]
            self.groups = tuple(self._groups(self._schemas["Plan"]))
            content = document["paths"]["/v1/runs"]["post"]["requestBody"]["content"]["application/json"]
            self.presets = {
                str(name): Preset(str(one.get("summary", name)), one["value"])
                for name, one in content.get("examples", {}).items()
            }
        except (KeyError, TypeError, AttributeError):
            raise ApiAwayError("The API's OpenAPI document describes no plan: it is of another version.") from None
        self.fields = {field.path: field for group in self.groups for field in group.fields}

    def values(self, plan: Mapping[str, Any]) -> dict[str, str]:
        """What the form shows of a plan: the text of each field that the plan has and that is not its default."""
        texts = {}
        for path, field in self.fields.items():
            value = _at(plan, path.split("."))
            if value is not _NOT_GIVEN and (text := _text(value)) != field.default:
                texts[path] = text
        return texts

    def plan(self, form: Mapping[str, str]) -> tuple[dict[str, Any], list[FieldProblem]]:
        """The plan of the form's texts, without what was left empty; and each text that is no value of its field."""
        plan: dict[str, Any] = {}
        wrong = []
        for path, field in self.fields.items():
            text = form.get(path, "").strip()
            if not text:
                continue
            try:
                value = _value(field, text)
            except ValueError:
                wrong.append(FieldProblem(field=path, message=f"{text[:80]!r} is no {_WANTED[field.kind]}"))
                continue
            *parts, last = path.split(".")
            place = plan
            for part in parts:
                place = place.setdefault(part, {})
            place[last] = value
        return plan, wrong

    def _groups(self, plan: Mapping[str, Any]) -> Iterator[Group]:
        alone = []
        parts = []
        for name, schema in plan["properties"].items():
            whole = self._resolved(schema)
            if "properties" in whole:
                fields = tuple(self._field(f"{name}.{inner}", one) for inner, one in whole["properties"].items())
                parts.append(Group(name, str(schema.get("description", whole.get("description", ""))), fields))
            else:
                alone.append(self._field(name, schema))
        yield Group(GENERAL, "What the run is called, how long it is, and how it learns.", tuple(alone))
        yield from parts

    def _field(self, path: str, schema: Mapping[str, Any]) -> Field:
        whole = self._resolved(schema)
        options = [self._resolved(one) for one in whole.get("anyOf", [whole]) if one.get("type") != "null"]
        only = options[0] if len(options) == 1 else {}
        kind: Kind = "json"
        choices: tuple[str, ...] = ()
        values: tuple[Any, ...] = ()
        if "enum" in only or "const" in only:
            kind = "choice"
            values = tuple(only.get("enum", [only.get("const")]))
            choices = tuple(map(_text, values))
        elif only.get("type") in ("integer", "number", "boolean"):
            kind = only["type"]
        elif only.get("type") == "string":
            kind = "text"
        if kind == "boolean":
            choices = ("true", "false")
        named = whole.get("discriminator", {}).get("mapping", {})
        bounds = f"one of {', '.join(sorted(named))}, or JSON" if named else _bounds(only)
        default = _text(whole["default"]) if whole.get("default", None) is not None else ""
        return Field(path, kind, str(whole.get("description", "")), default, choices, values, bounds)

    def _resolved(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """The schema with what it refers to; what it says itself goes first."""
        whole = dict(schema)
        for _ in range(_MOST_DEPTH):
            if "$ref" not in whole:
                break
            target = self._schemas[str(whole.pop("$ref")).rsplit("/", 1)[1]]
            whole = {**target, **whole}
        return whole


_WANTED: Final[dict[Kind, str]] = {
    "text": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "truth value: true or false",
    "choice": "choice",
    "json": "JSON",
}


def differences(plans: Iterable[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """Each dotted path in which the plans differ, and its text in each of them."""
    return [(path, [_text(value) or "–" for value in values]) for path, values in differing_fields([*plans]).items()]


def _at(value: Any, path: list[str]) -> Any:
    for part in path:
        if not isinstance(value, Mapping) or part not in value:
            return _NOT_GIVEN
        value = value[part]
    return value


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, allow_nan=False)


def _value(field: Field, text: str) -> Any:
    match field.kind:
        case "choice":
            return dict(zip(field.choices, field.values, strict=True))[text] if text in field.choices else text
        case "integer":
            return int(text)
        case "number":
            return json.loads(text, parse_constant=_no_number)
        case "boolean":
            if text not in ("true", "false"):
                raise ValueError(text)
            return text == "true"
        case "json":
            if text[0] not in '[{"-0123456789':
                return text  # the name of a choice, as a plan may have it
            return json.loads(text, parse_constant=_no_number)
    return text


def _no_number(name: str) -> None:
    raise ValueError(name)


def _bounds(schema: Mapping[str, Any]) -> str:
    names = (("minimum", "at least"), ("exclusiveMinimum", "above"), ("maximum", "at most"), ("exclusiveMaximum", "below"))
    return ", ".join(f"{word} {_number(schema[name])}" for name, word in names if isinstance(schema.get(name), int | float))


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"
