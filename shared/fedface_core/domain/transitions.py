"""How runs and rounds move from phase to phase, and how a field of their records is changed and validated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from pydantic import BaseModel

PhaseT = TypeVar("PhaseT", bound=StrEnum)
RecordT = TypeVar("RecordT", bound=BaseModel)


@dataclass(frozen=True)
class Transition(Generic[PhaseT]):
    """A move that is possible in each phase of ``sources`` and ends in one phase of ``targets``."""

    sources: frozenset[PhaseT]
    targets: frozenset[PhaseT]

    @classmethod
    def between(cls, sources: Iterable[PhaseT], *targets: PhaseT) -> Transition[PhaseT]:
        """The transition from each of ``sources`` to one of ``targets``."""
        return cls(frozenset(sources), frozenset(targets))

    def require(self, source: PhaseT, target: PhaseT) -> None:
        """Assert that the transition leads from the phase ``source`` to the phase ``target``."""
        assert source in self.sources, f"no such move from {source}: it takes {', '.join(sorted(self.sources))}"
        assert target in self.targets, f"no such move to {target}: it leads to {', '.join(sorted(self.targets))}"


def replaced(record: RecordT, changes: Mapping[str, object]) -> RecordT:
    """A copy of a frozen record with some fields changed; ``changes`` maps field names to values.

    Unlike a copy by pydantic's `model_copy(update=…)`, it is validated: `pydantic.ValidationError` if a name is no field, or
    a field cannot hold its value. Callers type ``changes`` by a TypedDict, so that mypy checks names and types.
    """
    return type(record).model_validate({**record.__dict__, **changes})
