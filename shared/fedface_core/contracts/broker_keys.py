"""The keys in Redis or Valkey that are not the ledger's: what workers have taken, dropped or put off, and one that is empty.

A queue is the list with its name (`fedface_core.contracts.tasks.QUEUES`). Kombu keeps what a worker has taken and not
acknowledged in a hash and an index, and guards putting it back by a lock. By default all services of a broker share these.
"""

from __future__ import annotations

from typing import Final

NOTHING: Final = "fedface:nothing"
"""No such key exists: the check whether a server takes writes writes no bytes to it, which does not make it."""
DEAD_LETTERS: Final = "fedface:dead-letters"
"""The stream of the messages that workers have dropped, as they could not be read."""


def binding_keys(queue: str) -> tuple[str, ...]:
    """The keys in which kombu keeps that the queue exists. Each queue has an exchange of its own, of the same name."""
    return f"_kombu.binding.{queue}", f"_kombu.binding_permanent.{queue}"


def unacked_keys(queue: str) -> dict[str, str]:
    """Option of kombu's Redis transport → the key for the messages that were taken from this queue and not acknowledged."""
    return {f"{name}_key": f"{name}:{queue}" for name in ("unacked", "unacked_index", "unacked_mutex")}


def delayed_keys(queue: str) -> tuple[str, str]:
    """The keys of a queue's delayed messages: their ids by the time when they are due, and the messages by their ids."""
    return f"fedface:delayed:{queue}", f"fedface:delayed:{queue}:messages"


def came_back_key(queue: str) -> str:
    """The key of the set of messages, by their ids, that a worker of this queue has put back into it.

    A message in a queue says itself whether it came back, and whoever may publish to the queue could have it say so.
    """
    return f"fedface:came-back:{queue}"


def workers_key(queue: str) -> str:
    """The key of the workers that take from a queue, by the time when each said so last."""
    return f"fedface:workers:{queue}"
