"""Artifacts that nothing names are listed and removed by the command line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from support.api_by_hand import ByHand
from support.command_line import Invoke


def test_artifacts_that_nothing_names_are_listed_and_collected(
    fedface: Invoke, api: ByHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    stray = "runs/run-00000000dead/rounds/1/report.json"
    api.ports.artifacts.put(stray, b"left behind")
    assert fedface("artifacts", "collect") == (0, "", "0 artifacts removed\n")
    two_hours_ago = datetime.now(UTC) - timedelta(hours=2)
    monkeypatch.setattr(api.ports.artifacts, "modified", lambda key: two_hours_ago)
    listed = fedface("artifacts", "collect", "--dry-run", "--older-than", "1")
    assert listed == (0, f"{stray}\n", "1 artifact that nothing names\n")
    assert fedface("artifacts", "collect", "--older-than", "1") == (0, f"{stray}\n", "1 artifact removed\n")
    assert stray not in api.ports.artifacts.keys("")
    for hours in ("0.1", "nan", "inf", "1e8"):
        code, _, err = fedface("artifacts", "collect", "--older-than", hours)
        assert (code, "older" in err) == (2, True), "the grace period is for tasks that are at work, and has an end"
