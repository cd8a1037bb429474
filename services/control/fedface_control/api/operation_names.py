"""The names of the API's operations, made from the names of the functions that carry them out: `start_run` is `startRun`."""

from __future__ import annotations

from fastapi.routing import APIRoute


def operation_id(route: APIRoute) -> str:
    """The name that generated clients give the operation, such as ``startRun``."""
    first, *others = route.name.split("_")
    return first + "".join(word.title() for word in others)
