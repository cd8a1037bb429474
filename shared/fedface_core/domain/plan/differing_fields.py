"""Which fields of plans differ, by their dotted names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def differing_fields(plans: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Each field that is not equal in all plans, with its value in each one, or None if a plan has no such field.

    The plans are as JSON has them, with all defaults, so it does not matter whether a default was written.
    """
    leaves = [dict(_leaves(plan, "")) for plan in plans]
    names = dict.fromkeys(name for one in leaves for name in one)
    values = {name: [one.get(name) for one in leaves] for name in names}
    return {name: given for name, given in values.items() if any(value != given[0] for value in given)}


def _leaves(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
