"""Which fields of plans differ, by their dotted names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fedface_core.domain.plan import Plan


def differing_fields(plans: Sequence[Plan]) -> dict[str, list[Any]]:
    """Each field that is not the same in all plans, with its value in each one, or None if a plan has no such field.

    Defaults count as if they had been written: a plan that leaves a field out and one that sets its default are equal.
    """
    leaves = [dict(_leaves(plan.model_dump(mode="json"), "")) for plan in plans]
    names = dict.fromkeys(name for one in leaves for name in one)
    values = {name: [one.get(name) for one in leaves] for name in names}
    return {name: given for name, given in values.items() if any(value != given[0] for value in given)}


def _leaves(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
