"""One trace for each round, whatever process a task runs in; nothing while traces are off."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import BaseModel, SecretStr

from fedface_core.domain.commands import EvaluateModel, HandleFact, ReduceRound, Sweep, TrainClients
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.facts import RoundReady
from fedface_core.runtime import traces
from fedface_core.runtime.settings import Settings
from fedface_core.runtime.traces import (
    add_trace_id,
    end_traces,
    ids_of,
    require_traces,
    start_traces,
    trace_round,
    traced_task,
)

RUN = "run-0123456789ab"
LIFE = "0123456789abcdef0123456789abcdef"
TRAIN = TrainClients(run_id=RUN, round=3, clients=("client-000000", "client-000001"))
AT = datetime(2026, 1, 1, tzinfo=UTC)


def settings(tmp_path: Path, traces_url: str | None) -> Settings:
    return Settings(
        redis_url=SecretStr("redis://redis"),
        artifacts="directory",
        artifact_directory=tmp_path,
        traces_url=traces_url,
    )


@pytest.fixture
def exporter(tmp_path: Path) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    start_traces(settings(tmp_path, "http://127.0.0.1:1/v1/traces"), "client", SimpleSpanProcessor(exporter))
    yield exporter
    end_traces()


def spans(exporter: InMemorySpanExporter) -> list[ReadableSpan]:
    return list(exporter.get_finished_spans())


def test_the_tasks_of_a_round_are_in_one_trace_below_the_round(exporter: InMemorySpanExporter) -> None:
    ready = HandleFact(run_id=RUN, fact=RoundReady(run_id=RUN, round=3, because="settled"))
    commands: list[tuple[str, BaseModel]] = [
        ("client.train", TRAIN),
        ("aggregator.reduce_round", ReduceRound(run_id=RUN, round=3)),
        ("evaluator.evaluate_model", EvaluateModel(run_id=RUN, round=3)),
        ("control.handle_fact", ready),
    ]
    for task, command in commands:
        with traced_task(task, command, LIFE):
            pass
    trace_round(RUN, LIFE, 3, AT, AT, "finished")
    *tasks, of_round = spans(exporter)
    ids = ids_of(LIFE, 3)
    assert {span.context.trace_id for span in (*tasks, of_round) if span.context} == {ids.trace}
    assert {span.parent.span_id for span in tasks if span.parent} == {ids.span}
    assert (of_round.name, of_round.parent) == ("round 3", None)
    assert of_round.context is not None
    assert of_round.context.span_id == ids.span
    assert [span.name for span in tasks] == [task for task, _ in commands]
    assert dict(tasks[0].attributes or {}) == {
        "fedface.run": RUN,
        "fedface.round": 3,
        "fedface.task": "client.train",
        "fedface.clients": 2,
    }


def test_another_round_and_another_life_are_other_traces() -> None:
    ids = [ids_of(LIFE, 3), ids_of(LIFE, 4), ids_of("another", 3), ids_of(LIFE, None)]
    assert len({one.trace for one in ids}) == 4
    assert all(one.trace and one.span for one in ids)


def test_an_error_is_named_by_its_class_alone(exporter: InMemorySpanExporter) -> None:
    """Its message may be the path of a photograph."""
    with pytest.raises(ValueError, match="maria"), traced_task("client.train", TRAIN, LIFE):
        raise ValueError("photographs/maria/1.jpg")
    (span,) = spans(exporter)
    assert span.status.description == "ValueError"
    assert span.events == ()
    assert "maria" not in span.to_json()


def test_a_log_in_a_task_has_the_ids_of_its_span(exporter: InMemorySpanExporter) -> None:
    with traced_task("client.train", TRAIN, LIFE):
        record = dict(add_trace_id(None, "info", {"event": "x"}))
    (span,) = spans(exporter)
    assert span.context is not None
    assert record == {
        "event": "x",
        "trace_id": f"{ids_of(LIFE, 3).trace:032x}",
        "span_id": f"{span.context.span_id:016x}",
    }
    assert add_trace_id(None, "info", {"event": "x"}) == {"event": "x"}


def test_a_sweep_is_about_all_runs_and_no_span(exporter: InMemorySpanExporter) -> None:
    with traced_task("control.sweep", Sweep(), "sweep"):
        pass
    assert spans(exporter) == []


@pytest.mark.slow
def test_traces_that_are_off_cost_nothing(tmp_path: Path) -> None:
    start_traces(settings(tmp_path, None), "client")
    assert isinstance(traced_task("client.train", TRAIN, LIFE), nullcontext)
    trace_round(RUN, LIFE, 3, AT, AT, "finished")
    program = (
        "import sys, redis\n"  # redis-py imports OpenTelemetry by itself, if that is installed
        "before = {*sys.modules}\n"
        "import fedface_core.runtime.worker, fedface_core.runtime.celery_app, fedface_core.runtime.logging\n"
        "print([name for name in {*sys.modules} - before if name.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"


def test_what_is_not_installed_is_asked_for_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "find_spec", lambda _: None)
    require_traces(settings(tmp_path, None))
    with pytest.raises(InvalidInputError, match=r"FEDFACE_TRACES_URL .*fedface-core\[services,traces\]"):
        require_traces(settings(tmp_path, "http://127.0.0.1:1/v1/traces"))
