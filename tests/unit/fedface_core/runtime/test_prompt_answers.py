"""A scrape waits for no server that hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from fedface_core.runtime.prompt_answers import PromptAnswers, PromptCollector


def test_an_answer_in_time_is_taken_and_asked_for_anew() -> None:
    answers = iter(range(9))
    prompt = PromptAnswers(lambda: next(answers), 5.0)
    assert [prompt.ask(), prompt.ask()] == [0, 1]


def test_an_error_is_raised() -> None:
    def broken() -> int:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        PromptAnswers(broken, 5.0).ask()


def test_who_hangs_is_waited_for_shortly_and_asked_once() -> None:
    free = threading.Event()
    calls = []

    def hanging() -> int:
        calls.append(1)
        free.wait(60.0)
        return len(calls)

    prompt = PromptAnswers(hanging, 0.01)
    started = time.monotonic()
    assert [prompt.ask() for _ in range(3)] == [None, None, None]
    assert time.monotonic() - started < 30.0
    assert len(calls) == 1
    free.set()
    deadline = time.monotonic() + 5.0
    while (answer := prompt.ask()) is None:
        assert time.monotonic() < deadline
    assert answer == 1


class Hanging(Collector):
    def __init__(self) -> None:
        self.free = threading.Event()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        self.free.wait(5.0)
        yield GaugeMetricFamily("fedface_of_a_server", "A gauge.", value=7)


def test_the_metrics_of_a_server_that_hangs_are_left_out_and_come_back() -> None:
    hanging = Hanging()
    registry = CollectorRegistry()
    registry.register(PromptCollector(hanging, 0.01))
    assert registry.get_sample_value("fedface_of_a_server") is None
    hanging.free.set()
    deadline = time.monotonic() + 5.0
    while registry.get_sample_value("fedface_of_a_server") != 7:
        assert time.monotonic() < deadline
