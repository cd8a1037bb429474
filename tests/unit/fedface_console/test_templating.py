from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from architecture.packages import ROOT
from fedface_console.templating import FOLDER, moment, templates


@pytest.mark.parametrize("folder", [FOLDER / "vendor", ROOT / "tests/support/axe"], ids=["vendor", "axe"])
def test_files_of_other_projects_are_as_their_packages_have_them(folder: Path) -> None:
    """Nobody has changed them, and each is in the table with its licence."""
    table = dict(re.findall(r"^\| (\S+) \|.*\b([0-9a-f]{64}) \|$", (folder / "README.md").read_text(), re.MULTILINE))
    found = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir() if file.name != "README.md"
    }
    assert found == table
    assert any("LICENSE" in name for name in found)


def test_a_time_is_given_to_browser_and_reader() -> None:
    at = datetime(2026, 1, 2, 10, 30, 5, tzinfo=timezone(timedelta(hours=1)))
    assert str(moment(at)) == '<time datetime="2026-01-02T09:30:05+00:00" data-kind="minute">2026-01-02 09:30 UTC</time>'
    assert "09:30:05 UTC" in str(moment(at.astimezone(UTC), "second"))
    assert moment(None) == "–"


def test_text_is_never_html() -> None:
    assert templates().from_string("{{ text }}").render(text="<b>") == "&lt;b&gt;"


def test_a_file_has_its_digest_in_its_address() -> None:
    address = templates().from_string("{{ asset('static/console.css') }}").render()
    assert re.fullmatch(r"/static/console\.css\?[0-9a-f]{16}", address)
