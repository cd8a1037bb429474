"""Pydantic's errors about plans and other bodies in words of ours: which field is wrong, what it has, what would be right.

Everything that a person has given is shown in part only if it is long, since answers and terminals show these messages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from pydantic import BaseModel

from fedface_core.contracts.http import FieldProblem
from fedface_core.domain.free_text import cut, one_line
from fedface_core.domain.plan.field_names import LONGEST_SLIP, like_field, like_name, place_of

MOST_CHARACTERS: Final = 300
"""How much of a field's name, or of a message about it, is shown."""
_MOST_OF_A_VALUE: Final = 40
_MOST_BITS: Final = 128  # of a whole number: Python writes no number of thousands of digits
_MOST_NAMES: Final = 15
_NEAREST: Final = 5
_QUOTED: Final = re.compile(r"'([^']*)'")

_WRONG_KINDS: Final = {
    "int_type": "an integer",
    "int_parsing": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "float_parsing": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a table of fields",
    "model_type": "a table of fields",
    "model_attributes_type": "a table of fields",
}


def field_problem(kind: type[BaseModel], found: Mapping[str, Any], given: object) -> FieldProblem:
    """An error of pydantic's about ``given``, which should have been a ``kind``.

    Its field is named as a person writes it. An unknown field, or an unknown name of a choice, is answered with those that
    may have been meant: ``given`` says which choices are made.
    """
    steps = found["loc"]
    field = ".".join(place_of(kind, steps).names)
    return FieldProblem(field=cut(field, MOST_CHARACTERS), message=cut(_message(kind, found, given), MOST_CHARACTERS))


def _message(kind: type[BaseModel], found: Mapping[str, Any], given: object) -> str:
    value = found.get("input")
    match found["type"]:
        case "extra_forbidden":
            return _no_such_field(kind, found["loc"], given)
        case "missing":
            return "is required"
        case "union_tag_invalid":
            return _no_such_name(found["ctx"]["tag"], _QUOTED.findall(found["ctx"]["expected_tags"]))
        case "union_tag_not_found":
            return "its field `name` is missing, which says what it is"
        case "literal_error" | "enum" if names := _QUOTED.findall(found["ctx"]["expected"]):
            return _no_such_name(value, names)
        case wrong if wrong in _WRONG_KINDS:
            return f"{_shown(value)} is not {_WRONG_KINDS[wrong]}"
        case _:
            return str(found["msg"]).removeprefix("Value error, ")


def _no_such_field(kind: type[BaseModel], steps: Sequence[str | int], given: object) -> str:
    alike = like_field(kind, steps, given)
    message = "there is no such field" + (f"; did you mean {alike}?" if alike else "")
    place = place_of(kind, steps)
    if place.choice is None:
        return message
    (owner,) = place.owners
    parameters = ", ".join(name for name in owner.model_fields if name != "name")
    return f"{message}{'' if alike else ';'} {place.choice} has {parameters or 'no parameters'}"


def _no_such_name(value: object, names: Sequence[str]) -> str:
    """That there is no ``value``, which ``names`` there are, and which one may be meant; of many names the nearest few."""
    typed = value if isinstance(value, str) and len(value) <= LONGEST_SLIP else ""
    shown = names
    if len(names) > _MOST_NAMES:
        shown = get_close_matches(typed, names, n=_NEAREST, cutoff=0.0)
    listed = ", ".join(map(repr, shown)) + (f" and {len(names) - len(shown)} more" if len(shown) < len(names) else "")
    if not isinstance(value, str):
        return f"{_shown(value)} is none of {listed}"
    alike = like_name(typed, names)
    return (
        f"there is no {_shown(value)}" + (f"; did you mean {alike[0]!r}? There are: " if alike else "; there are: ") + listed
    )


def _shown(value: object) -> str:
    """A value of JSON or TOML as a message shows it, on one line: long text in part, a list or a table by its kind."""
    match value:
        case str():
            return f"'{one_line(cut(value, _MOST_OF_A_VALUE))}'"
        case None:
            return "null"
        case bool() | float():
            return str(value).lower()
        case int():
            return str(value) if value.bit_length() <= _MOST_BITS else "an integer of many digits"
        case list() | tuple():
            return "a list"
        case Mapping():
            return "a table"
        case _:
            return f"'{one_line(cut(str(value), _MOST_OF_A_VALUE))}'"  # TOML has dates and times
