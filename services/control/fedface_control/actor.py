"""Who acts: the actor of the request that is being answered, as the audit trail names it. Nobody does in the sweep."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

_ACTOR: Final = ContextVar[str | None]("actor", default=None)


@contextmanager
def acting_as(actor: str | None) -> Iterator[None]:
    """Until the block ends, what is done here, and in threads that are started from here by AnyIO, is done by ``actor``."""
    before = _ACTOR.set(actor)
    try:
        yield
    finally:
        _ACTOR.reset(before)


def actor() -> str | None:
    """Who acts now; None if nobody has signed in, or nobody has asked for what is being done."""
    return _ACTOR.get()


def own_key(key: str | None) -> str | None:
    """An idempotency key of who acts now, so that the keys of two actors never meet. `shown_key` gives the key back."""
    name = actor()
    return key if key is None or name is None else f"{name}\n{key}"  # no key and no name has a line break


def by_actor() -> dict[str, str | int | float | None]:
    """What an event of the audit trail says of who acts now: ``actor``, or nothing if nobody does."""
    name = actor()
    return {} if name is None else {"actor": name}
