"""Reading trace files, which say what single devices do in single rounds: CSV with a header, or JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan.devices import TraceEntry
from fedface_core.files.bounded_file import read_text

_COLUMNS = tuple(TraceEntry.model_fields)


def read_trace(path: Path) -> tuple[TraceEntry, ...]:
    """Read the entries of a trace file. `InvalidInputError` names the file, the line and the column that is wrong."""
    text = read_text(path, "a trace is CSV or JSON lines")
    # A header cannot begin with a brace, and a trace in JSON lines always does.
    if text.lstrip().startswith("{"):
        return tuple(_entry(location, row, TraceEntry.model_validate) for location, row in _json_rows(path, text))
    return tuple(_entry(location, row, TraceEntry.model_validate_strings) for location, row in _csv_rows(path, text))


def _csv_rows(path: Path, text: str) -> Iterator[tuple[str, dict[str, str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
    header: list[str] | None = None
    while True:
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            break
        except csv.Error as error:
            raise InvalidInputError(f"{path}, line {reader.line_num} is not CSV: {error}") from None
        location = f"{path}, line {reader.line_num}"
        if not any(cells):
            continue
        if header is None:
            header = _checked_header(location, cells)
        elif len(cells) != len(header):
            raise InvalidInputError(f"{location} has {len(cells)} cells, but the header names {len(header)} columns")
        else:
            yield location, {name: cell for name, cell in zip(header, cells, strict=True) if cell}
    if header is None:
        raise InvalidInputError(f"{path} is empty: its first line names the columns, such as {','.join(_COLUMNS)}")


def _checked_header(location: str, header: list[str]) -> list[str]:
    unknown = [name for name in header if name not in _COLUMNS]
    if unknown or "client" not in header or len(set(header)) < len(header):
        raise InvalidInputError(
            f"{location} is no header: it must name the column client, and may name each of these once: "
            f"{', '.join(_COLUMNS[1:])}; it is {','.join(header)}"
        )
    return header


def _json_rows(path: Path, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        location = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise InvalidInputError(f"{location}, column {error.colno} is not JSON: {error.msg}") from None
        except (ValueError, RecursionError):
            raise InvalidInputError(f"{location} has a number that is too long, or is nested too deeply") from None
        if not isinstance(row, dict):
            raise InvalidInputError(f'{location} is not an object, such as {{"client": "client-000000", "drops_out": true}}')
        yield location, row


def _entry(location: str, row: Any, validate: Callable[[Any], TraceEntry]) -> TraceEntry:
    try:
        return validate(row)
    except ValidationError as error:
        problem = error.errors()[0]
        column = problem["loc"][0]
        match problem["type"]:
            case "missing":
                message = "is missing: each entry names its client, such as client-000003"
            case "extra_forbidden":
                message = f"does not exist: the columns are {', '.join(_COLUMNS)}"
            case "string_pattern_mismatch":
                message = f"is {problem['input']!r}: a client's name is like client-000003"
            case _:
                message = f"is {problem['input']!r}: {problem['msg']}"
        raise InvalidInputError(f"{location}, column {column} {message}") from None
