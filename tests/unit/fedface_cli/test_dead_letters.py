"""Dead letters on a terminal: hostile text in them is harmless there."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from fedface_cli import api_client
from fedface_core.contracts.http import DeadLetterList
from fedface_core.domain.dead_letter import DeadLetter
from support.api_by_hand import ByHand
from support.command_line import Invoke

LETTER = DeadLetter(
    id="1-0",
    at=datetime(2026, 11, 27, tzinfo=UTC),
    queue="client\x1b[2J",
    fault="not_json",
    reason="it is [bold]not JSON\n",
    bytes=12345,
    beginning="\x1b[2J",
)


def test_dead_letters_are_shown_as_text(fedface: Invoke, api: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    listed: Any = lambda _api, limit: DeadLetterList(letters=[LETTER] * limit)  # noqa: E731
    monkeypatch.setattr(api_client.ControlApi, "dead_letters", listed)
    monkeypatch.setenv("COLUMNS", "120")
    code, out, _ = fedface("dead-letters", "--limit", "2")
    assert (code, len(out.splitlines())) == (0, 3)
    assert "it is [bold]not JSON" in out
    assert "12,345" in out
    assert "\x1b" not in out
    assert json.loads(fedface("dead-letters", "--json", "--limit", "1")[1])["letters"][0]["beginning"] == "\x1b[2J"


def test_none_is_said(fedface: Invoke, api: ByHand) -> None:
    code, out, err = fedface("dead-letters")
    assert (code, out, "no dead letters" in err) == (0, "", True)
    assert fedface("dead-letters", "--limit", "201")[0] == 2
