"""What the ledger asks of Redis: commands in one round trip, and scripts as atomic steps; faults come in our words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any

from fedface_core.adapters.redis.connection import connect, redis_faults

Command = tuple[Any, ...]


class RedisServer:
    """The Redis or Valkey at ``url``, connected to when first used."""

    def __init__(self, url: str, *, timeout_seconds: float) -> None:
        self._redis = connect(url, timeout_seconds=timeout_seconds)

    def script(self, name: str) -> Callable[..., Any]:
        """The Lua script in the file ``name`` beside this one, to be called with its keys and then its arguments."""
        script = self._redis.register_script(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))

        def run(keys: Sequence[str], *args: str | int) -> Any:
            with redis_faults(self._redis):
                return script(keys=keys, args=args)

        return run

    def ask(self, *commands: Command, atomically: bool = False) -> list[Any]:
        """The answers to a few commands, in one round trip."""
        with redis_faults(self._redis), self._redis.pipeline(transaction=atomically) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
            return pipeline.execute()
