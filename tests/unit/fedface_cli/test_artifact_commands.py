"""Artifacts that nothing names are listed and removed by the command line."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from fedface_cli.exit_status import ExitStatus
from fedface_core.domain.errors import UnavailableError
from support.api_by_hand import ByHand
from support.command_line import Invoke, Terminal


def test_artifacts_that_nothing_names_are_listed_and_collected(
    fedface: Invoke, api: ByHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    stray = "runs/run-00000000dead/rounds/1/report.json"
    api.ports.artifacts.put(stray, b"left behind")
    assert fedface("artifacts", "collect", "--yes") == (0, "", "0 artifacts removed\n")
    in_two_hours = datetime.now(UTC) + timedelta(hours=2)
    monkeypatch.setattr(api.ports.artifacts, "now", lambda: in_two_hours)
    listed = fedface("artifacts", "collect", "--dry-run", "--older-than", "1")
    assert listed == (0, f"{stray}\n", "1 artifact that nothing names\n")
    assert fedface("artifacts", "collect", "--yes", "--older-than", "1") == (0, f"{stray}\n", "1 artifact removed\n")
    assert stray not in api.ports.artifacts.keys("")
    for hours in ("0.1", "nan", "inf", "1e8"):
        code, _, err = fedface("artifacts", "collect", "--older-than", hours)
        assert (code, "older" in err) == (2, True), "the grace period is for tasks that are at work, and has an end"


def test_collect_asks_on_a_terminal_and_refuses_where_nobody_can_confirm(
    fedface: Invoke, api: ByHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    stray = "runs/run-00000000dead/rounds/1/report.json"
    api.ports.artifacts.put(stray, b"left behind")
    in_two_days = datetime.now(UTC) + timedelta(days=2)
    monkeypatch.setattr(api.ports.artifacts, "now", lambda: in_two_days)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    code, out, err = fedface("artifacts", "collect")
    assert (code, out) == (2, "")
    assert "removing artifacts cannot be undone, and nobody is here to confirm it: add --yes" in err
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    code, out, err = fedface("artifacts", "collect")
    assert (code, out) == (0, "")
    assert "Remove the artifacts that nothing names and that are older than 24 hours, for good? [y/N]" in err
    assert stray in api.ports.artifacts.keys("")
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert fedface("artifacts", "collect")[:2] == (0, f"{stray}\n"), "the question is not among the keys"


def test_what_was_removed_before_an_error_is_listed(fedface: Invoke, api: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    strays = [f"runs/run-00000000dead/rounds/{number}/report.json" for number in range(1001)]
    for stray in strays:
        api.ports.artifacts.put(stray, b"left behind")
    in_two_days = datetime.now(UTC) + timedelta(days=2)
    monkeypatch.setattr(api.ports.artifacts, "now", lambda: in_two_days)
    delete_all = api.ports.artifacts.delete_all
    removed: list[str] = []

    def delete_the_first_page(keys: Sequence[str]) -> None:
        if removed:
            raise UnavailableError("the disk is gone")
        removed.extend(keys)
        delete_all(keys)

    with monkeypatch.context() as failing:
        failing.setattr(api.ports.artifacts, "delete_all", delete_the_first_page)
        code, out, err = fedface("artifacts", "collect", "--yes")
    delete_all(strays)
    assert (code, out.split()) == (ExitStatus.UNAVAILABLE, removed)
    assert "the disk is gone" in err
    assert 0 < len(removed) < len(strays)


def test_a_terminal_shows_how_far_it_is_and_standard_output_has_the_keys_alone(
    fedface: Invoke, api: ByHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    stray = "runs/run-00000000dead/rounds/1/report.json"
    api.ports.artifacts.put(stray, b"left behind")
    fedface("artifacts", "collect", "--dry-run")  # the first one puts a mark that earlier runs have their claims
    looked_at = len(api.ports.artifacts.keys(""))
    in_two_days = datetime.now(UTC) + timedelta(days=2)
    monkeypatch.setattr(api.ports.artifacts, "now", lambda: in_two_days)
    monkeypatch.setenv("FORCE_COLOR", "1")  # standard error is taken for a terminal
    monkeypatch.setenv("TERM", "xterm")
    code, out, err = fedface("artifacts", "collect", "--dry-run")
    assert (code, out) == (0, f"{stray}\n")
    assert f"{looked_at} looked at, 1 that nothing names" in err
    assert err.endswith("1 artifact that nothing names\n")
