"""Kills processes: ports that record every effect in a log, and end the process after the effect that a test chooses."""

from __future__ import annotations

from typing import Any

from fedface_core.adapters.memory import RecordingPublisher
from fedface_core.ports import Ports


class Killed(BaseException):
    """The process was killed right after an effect. No service may catch this."""


class BrokenEffectError(Exception):
    """An effect failed, for a reason that no service expects."""


class EffectLog:
    """Records every effect on the ports, and kills the process once, right after effect number ``kill_after``.

    Ports belong to one process. If another thread of a killed process has still an effect to make, that effect does not
    happen.
    """

    def __init__(self, kill_after: int | None) -> None:
        self.effects: list[str] = []
        self.kill_after = kill_after
        self.kills = 0

    def before_effect(self, effect: str) -> None:
        """Is called before each effect. A test can override it, and let another process act first or the effect fail."""

    def record(self, effect: str) -> None:
        """Record an effect. Raises `Killed` if it is effect number ``kill_after``."""
        self.effects.append(effect)
        if len(self.effects) == self.kill_after:
            self.count_kill()
            raise Killed(effect)

    def count_kill(self) -> None:
        """Count a killed process. The ports of that process have no effects any more."""
        self.kills += 1


class KillablePublisher(RecordingPublisher):
    """Records each message of a batch as an effect: a process can be killed after it has sent some of them."""

    def __init__(self, effect_log: EffectLog) -> None:
        super().__init__()
        self.effect_log = effect_log

    def publish_all(self, commands: Any, *, correlation_id: str) -> None:
        for command in commands:
            self.effect_log.before_effect(f"publish {type(command).__name__}")
            super().publish_all([command], correlation_id=correlation_id)
            self.effect_log.record(f"publish {type(command).__name__}")


def killable(ports: Ports, effect_log: EffectLog) -> Ports:
    """Ports of a new process over these ports, whose effects are recorded in the log. The publisher has the log already."""
    ledger: Any = _KillablePort(ports.ledger, effect_log)
    artifacts: Any = _KillablePort(ports.artifacts, effect_log)
    return Ports(ledger, artifacts, ports.publisher, ports.clock, ports.signatures)


class _KillablePort:
    """A port of one process, which records its effects. Methods that only read are passed through."""

    _RECORDS = frozenset(
        {
            *(
                "begin_attempt",
                "begin_attempts",
                "take_back_attempt",
                "begin_wait",
                "accept",
                "accept_all",
                "fail",
                "record_late",
                "record_deposit",
                "record_partial",
                "touch",
            ),
            "record_failure",
        }
    )
    _EFFECTS = frozenset({"put", "put_once", "delete", "create", "restore", "save"}) | _RECORDS

    def __init__(self, port: Any, effect_log: EffectLog) -> None:
        self._port = port
        self._effect_log = effect_log
        self._kills_before = effect_log.kills

    def put_all(self, objects: Any) -> None:
        """Record each put as an effect: a process can be killed after it has put some objects."""
        reached = {}
        try:
            for key, parts in objects.items():
                self._before("put")
                reached[key] = parts
                self._effect_log.record(f"put {key}")
        finally:
            self._port.put_all(reached)  # they share a signature, as in a service

    def delete_all(self, keys: Any) -> None:
        """Record each removal as an effect: a process can be killed after it has removed some objects."""
        for key in keys:
            self.delete(key)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        if name not in self._EFFECTS:
            return method

        def act(*args: Any, **kwargs: Any) -> Any:
            self._before(name)
            result = method(*args, **kwargs)
            words = [arg for arg in args if isinstance(arg, str)]
            self._effect_log.record(" ".join([name, *words[:1]]))
            return result

        return act

    def _before(self, name: str) -> None:
        self._effect_log.before_effect(name)
        if self._effect_log.kills != self._kills_before:
            raise Killed("the process was killed before")
