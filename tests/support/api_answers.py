"""What a control API answers, for tests that answer in its place."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx

from fedface_cli.api_client import ControlApi
from fedface_core.contracts.http import RunDetail
from fedface_core.domain.plan import Plan

RUN = "run-0123456789ab"
NOW = datetime.now(UTC)
SLOW = [f"client-{index:06}" for index in (3, 7, 8, 9, 11)]


def client_of(answer: Callable[[httpx.Request], httpx.Response]) -> ControlApi:
    """A client whose requests this function answers."""
    return ControlApi("http://control", transport=httpx.MockTransport(answer))


def detail() -> dict[str, object]:
    """The body of a completed run."""
    return {
        "id": RUN,
        "name": "n",
        "phase": "completed",
        "round": 1,
        "rounds": 1,
        "created_at": "2026-01-01T00:00:00Z",
        "plan": Plan().model_dump(mode="json"),
    }


def a_run(**fields: Any) -> RunDetail:
    """A run of eight rounds in its fifth, with these fields."""
    fields = {
        "id": RUN,
        "name": "people",
        "plan": Plan(),
        "created_at": NOW,
        "rounds": 8,
        "round": 5,
    } | fields
    return RunDetail.model_validate(fields)
