"""One word for one thing: no synonym of the glossary's last column is in use. Part of `make lint`."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from architecture.packages import ROOT

GLOSSARY = ROOT / "docs/glossary.md"
NOT_CHECKED = {GLOSSARY, Path(__file__)}
NAMES_OF_LIBRARIES = ("transport.abort()", "def abort(self)", "checks.negative_data_rejection")
"""What a library calls its own things is no word of ours."""
TEXTS = ("*.py", "*.md", "*.lua", "*.toml", "*.sh")


def synonyms(glossary: str) -> dict[str, str]:
    """Each word that is not to be used, and the word that is."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in glossary.splitlines() if line.startswith("|")]
    words = [row for row in rows if len(row) == 3 and row[0] != "word" and not set(row[0]) <= set("-")]
    return {wrong.strip().lower(): right for right, _, wrongs in words for wrong in wrongs.split(",") if wrong.strip()}


def uses(words: Iterable[str], text: str) -> list[tuple[str, str]]:
    """Each use of one of the words in a text: the word, and its line.

    A word may stand in prose, or be a part of a name, such as `word_of_x` or `WordOfX`.
    """
    pattern = re.compile(rf"(?<![a-z])(?:{'|'.join(map(re.escape, words))})(?![a-z])", re.IGNORECASE)
    for name in NAMES_OF_LIBRARIES:
        text = text.replace(name, "")
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    if not pattern.search(apart):
        return []
    return [(found.group().lower(), line.strip()) for line in apart.splitlines() for found in pattern.finditer(line)]


def texts() -> dict[Path, str]:
    """All texts that git knows, or would take."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *TEXTS]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    paths = {ROOT / name for name in names} - NOT_CHECKED
    return {path: path.read_text(encoding="utf-8") for path in sorted(paths) if path.is_file()}


def test_a_synonym_is_found_in_prose_and_in_names() -> None:
    assert synonyms("| word | meaning | not |\n|---|---|---|\n| run | one training | job, session |") == {
        "job": "run",
        "session": "run",
    }
    for line in ("a job is done", "Jobs? No: job.", "first_job = 1", "class MyJob:"):
        assert uses(["job", "session"], line), line
    assert not uses(["job"], "jobs, jobbing")


def test_no_synonym_is_in_use() -> None:
    wrong = synonyms(GLOSSARY.read_text(encoding="utf-8"))
    assert len(wrong) > 10
    found = [
        f"{path.relative_to(ROOT)}: {line[:100]!r} says {word!r}; the glossary says {wrong[word]!r}"
        for path, text in texts().items()
        for word, line in uses(wrong, text)
    ]
    if found:
        pytest.fail("\n".join(found[:40]))
