"""Processes that die: ports which note every effect on a lifeline, and end the process where the test has it end."""

from __future__ import annotations

from typing import Any

from fedface_core.adapters.memory import RecordingPublisher
from fedface_core.ports import Ports


class Killed(BaseException):
    """The process died right after an effect. No service may catch it."""


class Lifeline:
    """Notes every effect on the ports, and kills the process once, right after effect number ``kill_after``.

    Whatever another thread of a process was about to do when it died does not happen: ports belong to one life.
    """

    def __init__(self, kill_after: int | None) -> None:
        self.effects: list[str] = []
        self.kill_after = kill_after
        self.life = 0

    def approach(self) -> None:
        """An effect is about to happen. Here a test can have another process be faster."""

    def note(self, effect: str) -> None:
        """One more effect."""
        self.effects.append(effect)
        if len(self.effects) == self.kill_after:
            self.end()
            raise Killed(effect)

    def end(self) -> None:
        """The process is dead; the next has ports of its own."""
        self.life += 1


class MortalPublisher(RecordingPublisher):
    """Each message of a batch is an effect of its own: a process can die having sent a part."""

    def __init__(self, lifeline: Lifeline) -> None:
        super().__init__()
        self.lifeline = lifeline

    def publish_all(self, commands: Any, *, correlation_id: str) -> None:
        for command in commands:
            self.lifeline.approach()
            super().publish_all([command], correlation_id=correlation_id)
            self.lifeline.note(f"publish {type(command).__name__}")


def mortal(ports: Ports, lifeline: Lifeline) -> Ports:
    """The same ports, on the lifeline; the publisher is on one already."""
    ledger: Any = _Mortal(ports.ledger, lifeline)
    artifacts: Any = _Mortal(ports.artifacts, lifeline)
    return Ports(ledger, artifacts, ports.publisher, ports.clock)


class _Mortal:
    """A port whose effects are noted on a lifeline. What only reads passes through."""

    _EFFECTS = frozenset(
        {"put", "delete", "create", "restore", "save", "begin_attempt", "accept", "fail", "record_partial", "touch"}
    )

    def __init__(self, port: object, lifeline: Lifeline) -> None:
        self._port = port
        self._lifeline = lifeline
        self._life = lifeline.life

    def delete_all(self, keys: Any) -> None:
        """Each removal is an effect of its own: a process can die having removed a part."""
        for key in keys:
            self.delete(key)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        if name not in self._EFFECTS:
            return method

        def act(*args: Any, **kwargs: Any) -> Any:
            self._lifeline.approach()
            if self._lifeline.life != self._life:
                raise Killed("dead already")
            result = method(*args, **kwargs)
            words = [arg for arg in args if isinstance(arg, str)]
            self._lifeline.note(" ".join([name, *words[:1]]))
            return result

        return act
