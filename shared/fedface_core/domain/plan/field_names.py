"""The fields of a plan by their dotted names, and which of them somebody may have meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

LONGEST_SLIP: Final = 60
"""What is longer is no slip of any name. To compare it could take long."""
_MOST = 3
_NEARLY = 0.75  # of difflib's ratio: delivery is not nearly deadline
_LEAST_BEGINNING = 4  # letters: many names begin with fewer


@dataclass(frozen=True)
class Place:
    """Where a field is."""

    names: tuple[str, ...]
    """The names that lead to it, as a person writes them: a choice is not named in them."""
    owners: tuple[type[BaseModel], ...]
    """The models that the field would be a field of; several in a choice that is not made."""
    choice: str | None
    """The choice whose parameter the field would be, such as ``fedprox``; None outside of choices."""


def place_of(kind: type[BaseModel], steps: Sequence[str | int]) -> Place:
    """The place of a field of ``kind`` to which pydantic goes by ``steps``, which name each choice that was made."""
    names: list[str] = []
    below: list[type[BaseModel]] = [kind]  # the models of which the next step names a field, or one of which it names
    choice = None
    owners = below
    choice_of_owner = None
    for step in steps:
        name = str(step)
        chosen = [part for part in below if _is_named(part, name)] if len(below) > 1 else []
        if chosen:
            below = chosen
            choice = name
            continue
        names.append(name)
        owners = below
        choice_of_owner = choice
        if not isinstance(step, int):  # an item of a list is of the list's kind
            below = [deeper for part in below for deeper in parts_of(part.model_fields.get(name))]
            choice = None
    return Place(tuple(names), tuple(owners), choice_of_owner)


def like_field(kind: type[BaseModel], steps: Sequence[str | int], given: object) -> str:
    """The fields that an unknown field of ``kind`` may be a slip of, as dotted names; empty if none is.

    ``steps`` lead to it. ``given`` says which choices are made: of a strategy, only the chosen one's parameters are offered.
    First come those beside it that are written nearly so, then those of its very name elsewhere, those that begin with what
    was written, and those elsewhere that are written nearly so.
    """
    typed = str(steps[-1])
    place = place_of(kind, steps)
    prefix = [name for name in place.names[:-1] if not name.isdecimal()]
    beside = {name for owner in place.owners for name in owner.model_fields}
    alike = _nearly(typed, beside)
    if alike:
        return " or ".join(".".join([*prefix, name]) for name in alike)
    everywhere = {name: name.rpartition(".")[2] for name in field_names(kind, given)}
    ends = {*everywhere.values()}
    found = {typed} & ends or {*_begun(typed, ends)} or {*_nearly(typed, ends)}
    return " or ".join([name for name, end in everywhere.items() if end in found][:_MOST])


def like_name(typed: str, names: Iterable[str]) -> list[str]:
    """Which of the ``names`` of a choice may be meant by what was typed: those nearly so, or those that begin with it."""
    return _nearly(typed, names) or _begun(typed, names)


def field_names(kind: type[BaseModel], given: object) -> list[str]:
    """The dotted names of all fields that have no fields of their own, and of choices by name, in the order of the model.

    ``given`` are fields of a ``kind``, checked or not. Of each choice it has the parameters of what they choose, or of the
    default.
    """
    return list(dict.fromkeys(_names(kind, given, "")))


def parts_of(field: FieldInfo | None) -> list[type[BaseModel]]:
    """The models that the value of a field may be: one for a part, several for a choice, none for a plain value."""
    return [] if field is None else list(_models(field.annotation))


def _names(kind: type[BaseModel], given: object, prefix: str) -> Iterator[str]:
    fields = given if isinstance(given, Mapping) else {}
    for name, field in kind.model_fields.items():
        parts = parts_of(field)
        value = fields.get(name)
        if len(parts) != 1:
            yield f"{prefix}{name}"
        if len(parts) > 1:
            chosen = _chosen_name(field.get_default(call_default_factory=True) if value is None else value)
            parts = [part for part in parts if _is_named(part, chosen)]
        for part in parts:
            yield from _names(part, value, f"{prefix}{name}.")


def _chosen_name(value: object) -> object:
    """The name of a choice, of which ``value`` may be the name, the fields or the model."""
    return value.get("name") if isinstance(value, Mapping) else getattr(value, "name", value)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    for argument in get_args(annotation):
        yield from _models(argument)


def _is_named(part: type[BaseModel], name: object) -> bool:
    """Whether ``part`` is what a choice calls ``name``."""
    field = part.model_fields.get("name")
    return field is not None and name in get_args(field.annotation)


def _nearly(typed: str, names: Iterable[str]) -> list[str]:
    """The names that are written nearly as what was typed, the nearest first."""
    return get_close_matches(typed, sorted(names), _MOST, _NEARLY) if len(typed) <= LONGEST_SLIP else []


def _begun(typed: str, names: Iterable[str]) -> list[str]:
    """The names that begin with what was typed."""
    return [name for name in names if name.startswith(typed)] if len(typed) >= _LEAST_BEGINNING else []
