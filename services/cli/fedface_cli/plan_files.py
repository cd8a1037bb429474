"""Plans as people write them: TOML or JSON, in a file or on standard input."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from fedface_cli.device_trace import read_trace
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import Plan

PartT = TypeVar("PartT", bound=BaseModel)


def read_plan(path: Path) -> Plan:
    """The plan in a file, or on standard input for ``-``. `InvalidInputError` names each wrong field.

    Where the plan names a trace file, beside it, the plan gets what that says: a plan is complete in itself.
    """
    name = "standard input" if str(path) == "-" else str(path)
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidInputError(f"cannot read {name}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidInputError(f"{name} is not text: a plan is a TOML or JSON file") from None
    try:
        # A TOML document cannot begin with a brace, and a plan in JSON always does.
        given = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidInputError(f"{name} is not JSON: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise InvalidInputError(f"{name} is not TOML: {error}") from None
    devices = given.get("devices")
    if isinstance(devices, dict) and isinstance(devices.get("trace"), str):
        devices["trace"] = read_trace(path.parent / devices["trace"])  # of standard input, beside us
    return make_part(Plan, given, f"{name} is not a plan")


def make_part(kind: type[PartT], fields: Mapping[str, object], complaint: str = "these options do not go together") -> PartT:
    """A plan, or a part of one, from its fields. `InvalidInputError` names each wrong one after the ``complaint``."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise InvalidInputError(f"{complaint}:{_describe(error)}") from None


def _describe(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        field = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = "there is no such field"
        lines.append(f"\n  {field}: {message}" if field else f"\n  {message}")
    return "".join(lines)
