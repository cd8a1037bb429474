"""Reading plans from TOML or JSON, in a file or on standard input, and changes of a plan from the command line."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from fedface_cli.device_trace import read_trace
from fedface_cli.problem_json import wrong_fields
from fedface_core.contracts.field_problems import field_problem
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.free_text import check_texts
from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.merge_patch import merged_fields
from fedface_core.files.bounded_file import read_text

_MAX_DEPTH: Final = 32
_ONLY_OF_PLANS: Final = frozenset(Plan.model_fields) - {"name"}
PartT = TypeVar("PartT", bound=BaseModel)


def read_plan(path: Path) -> Plan:
    """Read the plan in a file, or on standard input for ``-``. `InvalidInputError` names each wrong field.

    If the plan names a trace file, relative to its own folder (for standard input, to the working directory), the entries of
    that file become part of the plan.
    """
    return make_part(Plan, read_plan_fields(path), f"{display_name(path)} is not a plan")


def read_plan_fields(path: Path) -> dict[str, Any]:
    """The fields of the plan in a file, not checked yet, with the entries of its trace file, if it names one.

    `InvalidInputError` if the file has a study.
    """
    fields = read_document(path)
    if kind_of_document(fields) == "study":
        name = display_name(path)
        raise InvalidInputError(f"{name} is a study, of many runs, and a plan is of one: fedface study run {name}")
    devices = fields.get("devices")
    if isinstance(devices, dict) and isinstance(devices.get("trace"), str):
        devices["trace"] = read_trace(path.parent / devices["trace"])
    return fields


def kind_of_document(fields: Mapping[str, object]) -> Literal["plan", "study"] | None:
    """What these fields look like; None if they could be anything."""
    if isinstance(fields.get("arms"), Mapping) and {"repeat", "plan", "grid"} & fields.keys():
        return "study"
    return "plan" if (_ONLY_OF_PLANS & fields.keys()) and "arms" not in fields else None


def read_document(path: Path) -> dict[str, Any]:
    """Read the fields of a TOML or JSON file, or of standard input for ``-``. `InvalidInputError` if it is neither."""
    name = display_name(path)
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
    return make_part(Plan, merged_fields(plan, read_changes(settings)), "with these settings it is not a plan")


def make_part(kind: type[PartT], fields: Mapping[str, object], complaint: str = "these options do not go together") -> PartT:
    """Make a plan, or a part of one, from its fields. `InvalidInputError` says ``complaint`` and names each wrong field."""
    try:
        part = kind.model_validate(fields)
    except ValidationError as error:
        wrong = [field_problem(kind, found, fields) for found in error.errors(include_url=False)]
    else:
        try:
            check_texts(part)
        except InvalidInputError as error:
            raise InvalidInputError(f"{complaint}:\n  {error}") from None
        return part
    raise wrong_fields(complaint, wrong)


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


def display_name(path: Path) -> str:
    """What messages call a file that a person names."""
    return "standard input" if str(path) == "-" else str(path)


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return text


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON, although Python's parser takes it")
