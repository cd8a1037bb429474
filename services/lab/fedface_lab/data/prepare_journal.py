"""What `fedface data prepare` did with each photograph: one line each, so that it goes on where it stopped, and the report.

The journal lies in the target as ``prepare.jsonl``: what was asked for, then a line for each photograph, written once its
aligned image is in place. Of two lines on one photograph the later holds; half a line, left by a crash, is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from fedface_core.domain.errors import InvalidInputError

JOURNAL, REPORT = "prepare.jsonl", "prepare-report.json"


class Asked(BaseModel):
    """What a target was prepared from and how; to go on, it must be the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    template: str
    points: str


class Outcome(BaseModel):
    """What became of one photograph, named by its path below the source."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    photograph: str
    outcome: Literal["aligned", "no face", "refused"]
    faces: int | None = None
    taken: tuple[int, int, int, int] | None = None
    reason: str | None = None


class Journal:
    """The journal of a target folder."""

    def __init__(self, path: Path, outcomes: dict[str, Outcome]) -> None:
        self._path = path
        self.outcomes = outcomes

    @classmethod
    def begin(cls, target: Path, asked: Asked, *, anew: bool) -> Self:
        """Take up the target's journal, empty where it is new. `InvalidInputError` where it is another's."""
        path = target / JOURNAL
        whole = b"" if anew else path.read_bytes()
        whole = whole[: whole.rfind(b"\n") + 1]
        begun, *lines = whole.splitlines() or [asked.model_dump_json().encode()]
        _refuse_another(path, _parsed(Asked, begun, path, 1), asked)
        outcomes = {}
        for number, line in enumerate(lines, 2):
            outcome = _parsed(Outcome, line, path, number)
            outcomes[outcome.photograph] = outcome
        path.write_bytes(whole or begun + b"\n")
        return cls(path, outcomes)

    def settled(self, photograph: str) -> bool:
        """Whether a photograph is done. Others are tried again: the file may be mended, or its points be given by now."""
        return photograph in self.outcomes and self.outcomes[photograph].outcome == "aligned"

    def add(self, outcome: Outcome) -> None:
        """Note what became of a photograph."""
        self.outcomes[outcome.photograph] = outcome
        with self._path.open("a", encoding="utf-8") as journal:
            journal.write(outcome.model_dump_json(exclude_none=True) + "\n")


class Report(BaseModel):
    """The sum of a preparation, written beside the journal."""

    asked: Asked
    photographs: int
    aligned: int
    no_face: list[str]
    several_faces: list[Outcome]
    refused: list[Outcome]

    @classmethod
    def of(cls, asked: Asked, outcomes: Iterable[Outcome]) -> Self:
        """Count and list."""
        ended = list(outcomes)
        return cls(
            asked=asked,
            photographs=len(ended),
            aligned=sum(one.outcome == "aligned" for one in ended),
            no_face=[one.photograph for one in ended if one.outcome == "no face"],
            several_faces=[one for one in ended if one.faces is not None and one.faces > 1],
            refused=[one for one in ended if one.outcome == "refused"],
        )


def _parsed(kind: type[Any], line: bytes, path: Path, number: int) -> Any:
    try:
        return kind.model_validate_json(line)
    except ValidationError:
        raise InvalidInputError(
            f"{path}, line {number} is damaged; begin anew with --overwrite, or prepare into another folder"
        ) from None


def _refuse_another(path: Path, begun: Asked, asked: Asked) -> None:
    differing = [name for name in Asked.model_fields if getattr(begun, name) != getattr(asked, name)]
    if differing:
        said = ", ".join(f"{name} {getattr(begun, name)}, not {getattr(asked, name)}" for name in differing)
        raise InvalidInputError(
            f"{path.parent} was prepared with {said}; ask for the same to go on, prepare into another folder, "
            "or begin anew with --overwrite"
        )
