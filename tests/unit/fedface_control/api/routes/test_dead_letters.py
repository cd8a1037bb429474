"""Dead letters are listed within bounds; what is in them is data."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from fastapi.testclient import TestClient

from fedface_core.adapters.memory import MemoryDeadLetters
from fedface_core.domain.dead_letter import MOST_LETTERS, DeadLetter
from support.in_process import InProcess


def letter(number: int) -> DeadLetter:
    return DeadLetter(
        id=f"{number}-0",
        at=datetime(2026, 11, 27, tzinfo=UTC),
        queue="client",
        fault="not_json",
        reason="it is not JSON",
        bytes=number,
        beginning="\x1b[2J\ufffd",
    )


def test_dead_letters_are_listed_newest_first(api: TestClient, services: InProcess) -> None:
    assert api.get("/v1/dead-letters").json() == {"letters": []}
    letters = MemoryDeadLetters()
    for number in range(MOST_LETTERS):
        letters.put(letter(number))
    api.app.state.ports = replace(services.ports, dead_letters=letters)  # type: ignore[attr-defined]
    listed = api.get("/v1/dead-letters").json()["letters"]
    assert [one["bytes"] for one in listed] == [*range(MOST_LETTERS - 1, MOST_LETTERS - 51, -1)]
    assert listed[0]["beginning"] == "\x1b[2J\ufffd"
    assert len(api.get("/v1/dead-letters", params={"limit": MOST_LETTERS}).json()["letters"]) == MOST_LETTERS
    assert api.get("/v1/dead-letters", params={"limit": MOST_LETTERS + 1}).status_code == 422
