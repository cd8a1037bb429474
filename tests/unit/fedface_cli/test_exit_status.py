"""The exit statuses are those of the documentation."""

from __future__ import annotations

import re
from pathlib import Path

from fedface_cli.exit_status import ExitStatus

OPERATIONS = Path(__file__).parents[3] / "docs/operations.md"


def test_the_documentation_has_every_exit_status() -> None:
    table = OPERATIONS.read_text(encoding="utf-8").partition("### Exit statuses")[2].partition("\n##")[0]
    assert [int(status) for status in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)] == list(ExitStatus)
