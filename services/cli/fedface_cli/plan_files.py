"""Reading plans from TOML or JSON, in a file or on standard input, and changes of a plan from the command line."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from fedface_cli.device_trace import read_trace
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.free_text import check_texts
from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.merge_patch import apply_merge_patch
from fedface_core.files.bounded_file import read_text

_MAX_DEPTH: Final = 32
PartT = TypeVar("PartT", bound=BaseModel)


def read_plan(path: Path) -> Plan:
    """Read the plan in a file, or on standard input for ``-``. `InvalidInputError` names each wrong field.

    If the plan names a trace file, relative to its own folder (for standard input, to the working directory), the entries of
    that file become part of the plan.
    """
    fields = read_document(path)
    devices = fields.get("devices")
    if isinstance(devices, dict) and isinstance(devices.get("trace"), str):
        devices["trace"] = read_trace(path.parent / devices["trace"])
    return make_part(Plan, fields, f"{_display_name(path)} is not a plan")


def read_document(path: Path) -> dict[str, Any]:
    """Read the fields of a TOML or JSON file, or of standard input for ``-``. `InvalidInputError` if it is neither."""
    name = _display_name(path)
    text = read_text(path, "a TOML or JSON file was expected")
    # A TOML document cannot begin with a brace, and a JSON object always does.
    return parse_document(text, "JSON" if text.lstrip().startswith("{") else "TOML", name)


def parse_document(text: str, language: Literal["JSON", "TOML"], name: str) -> dict[str, Any]:
    """The fields of a document in this language. `InvalidInputError`, which begins with ``name``, if it is not one."""
    try:
        fields: dict[str, Any] = json.loads(text) if language == "JSON" else tomllib.loads(text)
        _check_depth(fields)
    except ValueError as error:
        raise InvalidInputError(f"{name} is not {language}: {error}") from None
    except RecursionError:
        raise InvalidInputError(f"{name}: its tables are nested more than {_MAX_DEPTH} deep") from None
    return fields


def with_changes(plan: Plan, settings: Sequence[str]) -> Plan:
    """The plan with the changes of ``field=value`` settings. `InvalidInputError` names each wrong field."""
    try:
        changed = apply_merge_patch(plan, read_changes(settings))
    except ValidationError as error:
        raise InvalidInputError(f"with these settings it is not a plan:{_describe(error)}") from None
    check_texts(changed)
    return changed


def make_part(kind: type[PartT], fields: Mapping[str, object], complaint: str = "these options do not go together") -> PartT:
    """Make a plan, or a part of one, from its fields. `InvalidInputError` says ``complaint`` and names each wrong field."""
    try:
        part = kind.model_validate(fields)
    except ValidationError as error:
        raise InvalidInputError(f"{complaint}:{_describe(error)}") from None
    try:
        check_texts(part)
    except InvalidInputError as error:
        raise InvalidInputError(f"{complaint}:\n  {error}") from None
    return part


def read_changes(settings: Sequence[str]) -> dict[str, Any]:
    """The JSON merge patch of ``field=value`` settings: fields with dots, values as JSON or else as text.

    `InvalidInputError` if a setting has another form, or if two settings change one field.
    """
    changes: dict[str, Any] = {}
    for setting in settings:
        path, equals, value = setting.partition("=")
        names = path.strip().split(".")
        if not equals or not all(names) or len(names) > _MAX_DEPTH:
            raise InvalidInputError(
                f"{setting!r} sets nothing: write FIELD=VALUE, such as rounds=12 or local_training.learning_rate=1e-4"
            )
        part = changes
        for name in names[:-1]:
            part = part.setdefault(name, {})
            if not isinstance(part, dict):
                raise InvalidInputError(f"{setting!r} sets a field within {name}, which another setting gives as a whole")
        if names[-1] in part:
            raise InvalidInputError(f"{setting!r} sets a field that another setting sets already")
        part[names[-1]] = _json_or_text(value)
    return changes


def _check_depth(fields: dict[str, Any]) -> None:
    """Raise `RecursionError` if tables are nested so deeply that a recursive function of ours could fail."""
    level = [fields]
    for _ in range(_MAX_DEPTH):
        level = [value for table in level for value in table.values() if isinstance(value, dict)]
    if level:
        raise RecursionError


def _display_name(path: Path) -> str:
    return "standard input" if str(path) == "-" else str(path)


def _describe(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        field = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = "there is no such field"
        lines.append(f"\n  {field}: {message}" if field else f"\n  {message}")
    return "".join(lines)


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return text


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON, although Python's parser takes it")
