"""The journal names what is done, whatever a crash left of its last line, and the report counts it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedface_core.domain.errors import InvalidInputError
from fedface_lab.data.prepare_journal import JOURNAL, Journal, PhotographOutcome, PreparationReport, PreparationSettings
from support.full_disk import full_disk

SETTINGS = PreparationSettings(source="/raw", template="112x96", points="dlib")
ALIGNED = PhotographOutcome(photograph="ann/1.png", outcome="aligned", faces=2, taken=(1, 2, 30, 40))
NO_FACE = PhotographOutcome(photograph="ann/2.png", outcome="no face")
REFUSED = PhotographOutcome(photograph="bob/1.png", outcome="refused", reason="it is damaged")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A folder with an empty journal, as the lock of a preparation leaves it."""
    (tmp_path / JOURNAL).touch()
    return tmp_path


def test_a_later_line_counts_and_half_a_line_is_dropped(target: Path) -> None:
    journal = Journal.open(target, SETTINGS, restart=False)
    for outcome in (NO_FACE, ALIGNED, NO_FACE.model_copy(update={"outcome": "aligned"})):
        journal.add(outcome)
    whole = (target / JOURNAL).read_bytes()
    (target / JOURNAL).write_bytes(whole + b'{"photograph": "bob')
    opened = Journal.open(target, SETTINGS, restart=False)
    assert [opened.is_aligned(path) for path in ("ann/1.png", "ann/2.png", "bob/1.png")] == [True, True, False]
    assert (target / JOURNAL).read_bytes() == whole
    assert Journal.open(target, SETTINGS, restart=True).outcomes == {}


def test_a_full_disk_costs_no_line_of_the_journal(target: Path) -> None:
    journal = Journal.open(target, SETTINGS, restart=False)
    for outcome in (ALIGNED, NO_FACE):
        journal.add(outcome)
    whole = (target / JOURNAL).read_bytes()
    with full_disk(len(whole) + 5), pytest.raises(OSError, match="too large"):
        journal.add(REFUSED)
    with full_disk(10):
        opened = Journal.open(target, SETTINGS, restart=False)
    assert opened.is_aligned("ann/1.png")
    assert (target / JOURNAL).read_bytes() == whole


def test_a_journal_of_other_settings_or_with_a_damaged_line_is_refused(target: Path) -> None:
    Journal.open(target, SETTINGS, restart=False).add(ALIGNED)
    with pytest.raises(InvalidInputError, match="was prepared with points dlib, not mine; give these options to go on"):
        Journal.open(target, SETTINGS.model_copy(update={"points": "mine"}), restart=False)
    (target / JOURNAL).write_text((target / JOURNAL).read_text().replace('"aligned"', '"lost"'))
    with pytest.raises(InvalidInputError, match="line 2 is damaged"):
        Journal.open(target, SETTINGS, restart=False)


def test_the_report_is_stored_with_its_settings_as_asked() -> None:
    report = PreparationReport.of(SETTINGS, [ALIGNED, NO_FACE, REFUSED], passed_over={".txt": 2}, renamed={})
    stored = json.loads(report.model_dump_json(exclude_none=True, by_alias=True))
    assert list(stored) == [
        "asked",
        "photographs",
        "aligned",
        "no_face",
        "several_faces",
        "refused",
        "renamed",
        "passed_over",
    ]
    assert stored["asked"] == {"source": "/raw", "template": "112x96", "points": "dlib"}
    assert (stored["photographs"], stored["aligned"], stored["no_face"]) == (3, 1, ["ann/2.png"])
    assert [outcome["photograph"] for outcome in stored["several_faces"]] == ["ann/1.png"]
    assert stored["refused"] == [{"photograph": "bob/1.png", "outcome": "refused", "reason": "it is damaged"}]
