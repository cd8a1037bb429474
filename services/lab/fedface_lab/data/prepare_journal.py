"""The journal and the report of `fedface data prepare`: what became of each photograph.

The journal is the file ``prepare.jsonl`` in the target. Its first line holds the settings; then comes a line for each
photograph, written after its aligned image. Of two lines about one photograph the later one counts. An incomplete last line,
which a crash leaves, is ignored. So a preparation that was stopped goes on where it stopped.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fedface_core.domain.errors import InvalidInputError
from fedface_lab.data.listed_faces import LandmarkCounts

JOURNAL = "prepare.jsonl"
REPORT = "prepare-report.json"

LineT = TypeVar("LineT", bound=BaseModel)


class PreparationSettings(BaseModel):
    """From what and how a target is prepared. A preparation goes on only with equal settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str  # an absolute path
    template: str  # a key of `TEMPLATES`
    points: str  # ``dlib``, or the absolute path of the CSV file


class PhotographOutcome(BaseModel):
    """What became of one photograph, named by its path below the source."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    photograph: str
    outcome: Literal["aligned", "no face", "refused"]
    faces: int | None = None
    taken: tuple[int, int, int, int] | None = None  # the face's box: left, top, right, bottom, in pixels
    reason: str | None = None


class Journal:
    """The journal of a target folder: the last outcome of each photograph, by its path below the source."""

    def __init__(self, path: Path, outcomes: dict[str, PhotographOutcome]) -> None:
        self._path = path
        self.outcomes = outcomes

    @classmethod
    def open(cls, target: Path, settings: PreparationSettings, *, restart: bool) -> Self:
        """Read the journal file of ``target``, which must exist, and cut off an incomplete last line.

        With ``restart``, empty the file first. Raises `InvalidInputError` if a line is damaged, or if the first line holds
        other settings.
        """
        path = target / JOURNAL
        stored = b"" if restart else path.read_bytes()
        stored = stored[: stored.rfind(b"\n") + 1]
        first_line, *lines = stored.splitlines() or [settings.model_dump_json().encode()]
        _refuse_other_settings(path, _parse_line(PreparationSettings, first_line, path, 1), settings)
        outcomes = {}
        for number, line in enumerate(lines, 2):
            outcome = _parse_line(PhotographOutcome, line, path, number)
            outcomes[outcome.photograph] = outcome
        # In place, because the file is locked; and a full disk must not cost the lines that it has.
        if stored:
            os.truncate(path, len(stored))
        else:
            path.write_bytes(first_line + b"\n")
        return cls(path, outcomes)

    def is_aligned(self, photograph: str) -> bool:
        """Whether an earlier preparation aligned the photograph. All others are tried again: their files may be mended."""
        return photograph in self.outcomes and self.outcomes[photograph].outcome == "aligned"

    def add(self, outcome: PhotographOutcome) -> None:
        """Append a photograph's outcome to the file."""
        self.outcomes[outcome.photograph] = outcome
        with self._path.open("a", encoding="utf-8") as journal:
            journal.write(outcome.model_dump_json(exclude_none=True) + "\n")


class PreparationReport(BaseModel):
    """The counts of a preparation, and the photographs that need a look; a JSON file in the target."""

    settings: PreparationSettings = Field(serialization_alias="asked")
    photographs: int
    aligned: int
    no_face: list[str]
    several_faces: list[PhotographOutcome]
    refused: list[PhotographOutcome]
    renamed: dict[str, str]
    """The path of each aligned image that has another path than its photograph, as it has another format."""
    passed_over: dict[str, int]
    """How many files and folders of the source are no photographs, by what they are."""
    landmarks: LandmarkCounts | None = None  # if the points are from a file

    @classmethod
    def of(
        cls,
        settings: PreparationSettings,
        outcomes: Iterable[PhotographOutcome],
        *,
        passed_over: Mapping[str, int],
        renamed: Mapping[str, str],
        landmarks: LandmarkCounts | None = None,
    ) -> Self:
        """Count and list the outcomes of all photographs."""
        every = list(outcomes)
        return cls(
            settings=settings,
            photographs=len(every),
            aligned=sum(one.outcome == "aligned" for one in every),
            no_face=[one.photograph for one in every if one.outcome == "no face"],
            several_faces=[one for one in every if one.faces is not None and one.faces > 1],
            refused=[one for one in every if one.outcome == "refused"],
            landmarks=landmarks,
            renamed=dict(renamed),
            passed_over=dict(passed_over),
        )


def _parse_line(kind: type[LineT], line: bytes, path: Path, number: int) -> LineT:
    try:
        return kind.model_validate_json(line)
    except ValidationError:
        raise InvalidInputError(
            f"{path}, line {number} is damaged; start again with --overwrite, or prepare into another folder"
        ) from None


def _refuse_other_settings(path: Path, stored: PreparationSettings, settings: PreparationSettings) -> None:
    differing = [name for name in PreparationSettings.model_fields if getattr(stored, name) != getattr(settings, name)]
    if differing:
        differences = ", ".join(f"{name} {getattr(stored, name)}, not {getattr(settings, name)}" for name in differing)
        raise InvalidInputError(
            f"{path.parent} was prepared with {differences}; give these options to go on, prepare into another folder, "
            "or start again with --overwrite"
        )
