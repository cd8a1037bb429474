"""The seconds of a round are those of its views, and step times are differences of the client service's metrics."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from loadtest.bench.completed_run import RunDidNotCompleteError
from loadtest.bench.stack_rounds import ClientStepTimes, round_seconds

OPENED = datetime(2026, 1, 1, tzinfo=UTC)


def metrics(**steps: tuple[int, float]) -> str:
    """The page of a client service whose steps were counted so often, and took so many seconds in all."""
    lines = ["# TYPE fedface_client_step_seconds summary"]
    for step, (count, seconds) in steps.items():
        lines += [
            f'fedface_client_step_seconds_count{{step="{step}"}} {count}',
            f'fedface_client_step_seconds_sum{{step="{step}"}} {seconds}',
        ]
    return "\n".join(lines) + "\n"


def test_a_round_lasts_from_its_opening_to_its_end_and_no_client_may_fail() -> None:
    view: Any = SimpleNamespace(number=1, failed={}, opened_at=OPENED, finished_at=OPENED + timedelta(seconds=2.5))
    assert round_seconds(view) == 2.5
    view.failed = {"client-000003": "no photographs"}
    with pytest.raises(RunDidNotCompleteError, match="1 clients failed in round 1"):
        round_seconds(view)


def test_step_times_are_means_since_the_object_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = iter([metrics(train=(2, 10.0), embed=(1, 1.0)), metrics(train=(6, 12.0), embed=(1, 1.0), put=(2, 0.5))])

    def get(url: str, **_: object) -> httpx.Response:
        return httpx.Response(200, text=next(pages), request=httpx.Request("GET", url))

    monkeypatch.setattr(httpx, "get", get)
    stack: Any = SimpleNamespace(metrics_targets={"client": "127.0.0.1:9"})
    assert ClientStepTimes(stack).means_ms() == {"put": 250.0, "train": 500.0}
