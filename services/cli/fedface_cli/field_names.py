"""The fields of a plan by their dotted names, and which of them somebody may have meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

_MOST = 3
_NEARLY = 0.75  # of difflib's ratio: delivery is not nearly deadline


def like_field(kind: type[BaseModel], place: Sequence[str | int]) -> str:
    """The fields that an unknown field of ``kind`` at ``place`` may be a slip of, as dotted names; empty if none is.

    First those beside it that are written nearly so, then those of its very name elsewhere, then those elsewhere that are
    written nearly so. In a choice of several kinds, such as a strategy, ``place`` names the kind that was chosen.
    """
    typed = str(place[-1])
    prefix: list[str] = []
    parts = {kind}
    for step in place[:-1]:
        deeper = {part for one in parts for part in parts_of(one.model_fields.get(str(step)))}
        if not deeper:
            chosen = {part for part in parts if _is_named(part, str(step))}
            parts = chosen or parts
            continue
        prefix.append(str(step))
        parts = deeper
    beside = sorted({name for part in parts for name in part.model_fields})
    found = [".".join([*prefix, name]) for name in get_close_matches(typed, beside, _MOST, _NEARLY)]
    if not found:
        everywhere = field_names(kind)
        found = [name for name in everywhere if name.rpartition(".")[2] == typed]
        if not found:
            ends = {name.rpartition(".")[2] for name in everywhere}
            alike = get_close_matches(typed, sorted(ends), _MOST, _NEARLY)
            found = [name for name in everywhere if name.rpartition(".")[2] in alike]
    return " or ".join(found[:_MOST])


@cache
def field_names(kind: type[BaseModel]) -> tuple[str, ...]:
    """The dotted names of all fields that have no fields of their own, and of choices by name, in the order of the model."""
    return tuple(dict.fromkeys(_names(kind, "")))


def parts_of(field: FieldInfo | None) -> list[type[BaseModel]]:
    """The models that the value of a field may be: one for a part, several for a choice, none for a plain value."""
    return [] if field is None else list(_models(field.annotation))


def _names(kind: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in kind.model_fields.items():
        parts = parts_of(field)
        if len(parts) != 1:
            yield f"{prefix}{name}"
        for part in parts:
            yield from _names(part, f"{prefix}{name}.")


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    for argument in get_args(annotation):
        yield from _models(argument)


def _is_named(part: type[BaseModel], name: str) -> bool:
    """Whether ``part`` is what a choice calls ``name``."""
    field = part.model_fields.get("name")
    return field is not None and name in get_args(field.annotation)
