"""What /metrics says of the runs, read from the ledger at each scrape."""

from __future__ import annotations

import threading
import time

import pytest
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry

from fedface_control.api.run_metrics import RunMetrics
from fedface_core.domain.errors import NotFoundError, UnavailableError
from fedface_core.runtime.metrics import NEWEST_RUNS
from support.in_process import InProcess
from support.prometheus_text import scrape, value


def down(*_: object) -> None:
    raise UnavailableError("the S3 server at minio:9000 does not answer")


def test_without_runs_every_phase_is_counted_as_zero(api: TestClient) -> None:
    samples = scrape(api)
    assert value(samples, "fedface_dependency_up", dependency="ledger") == 1
    for phase in ("created", "preparing", "running", "completed", "failed", "cancelled"):
        assert value(samples, "fedface_runs", phase=phase) == 0
    for phase in ("open", "aggregating", "evaluating", "finished", "abandoned"):
        assert value(samples, "fedface_rounds", phase=phase) == 0
    for queue in ("client", "aggregator", "evaluator", "control"):
        assert value(samples, "fedface_queue_depth", queue=queue) == 0


def test_the_gauges_tell_where_a_run_stands(api: TestClient, services: InProcess) -> None:
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 1 and services.ports.ledger.tally(run_id, 1).accepted == 3)
    samples = scrape(api)
    of = {"run": run_id}
    assert value(samples, "fedface_runs", phase="running") == 1
    assert value(samples, "fedface_rounds", phase="open") == value(samples, "fedface_rounds", phase="finished") == 1
    assert value(samples, "fedface_run_phase", **of, phase="running") == 1
    assert value(samples, "fedface_run_round", **of) == 1
    assert value(samples, "fedface_run_rounds_planned", **of) == 1
    assert value(samples, "fedface_round_invited", **of) == 4
    assert value(samples, "fedface_round_accepted", **of) == 3
    assert value(samples, "fedface_round_failed", **of) == 0
    assert value(samples, "fedface_round_overdue_seconds", **of) == 0
    assert value(samples, "fedface_queue_depth", queue="client") == 1
    enrolment = services.ports.ledger.load_round(run_id, 0).aggregation
    assert enrolment is not None
    assert value(samples, "fedface_run_class_embedding_cosine_mean", **of) == enrolment.mean_off_diagonal_cosine
    assert value(samples, "fedface_run_class_embedding_cosine_max", **of) == enrolment.max_off_diagonal_cosine
    assert value(samples, "fedface_run_spreadout_loss", **of) == enrolment.spreadout_loss
    assert value(samples, "fedface_run_update_norm", **of) is None, "enrolment trains nothing"
    assert value(samples, "fedface_run_loss", **of, when="before") is None

    services.clock.advance(1e6 + 5)
    assert value(scrape(api), "fedface_round_overdue_seconds", **of) == 5


def test_the_gauges_of_an_ended_run_are_those_of_its_last_round(api: TestClient, services: InProcess) -> None:
    run = services.run()
    samples = scrape(api)
    last = services.ports.ledger.load_round(run.id, 1).aggregation
    assert last is not None
    assert value(samples, "fedface_run_phase", run=run.id, phase="completed") == 1
    assert value(samples, "fedface_run_update_norm", run=run.id) == last.update_norm
    assert value(samples, "fedface_run_loss", run=run.id, when="before") == last.loss_before
    assert value(samples, "fedface_run_loss", run=run.id, when="after") == last.loss_after
    assert value(samples, "fedface_rounds", phase="finished") == 2


def test_the_run_label_is_bounded(api: TestClient, services: InProcess) -> None:
    runs = []
    for _ in range(NEWEST_RUNS + 3):
        services.clock.advance(1)
        runs.append(services.start())
    samples = scrape(api)
    labelled = {dict(labels)["run"] for _, labels in samples if "run" in dict(labels)}
    assert labelled == set(runs[-NEWEST_RUNS:])
    assert value(samples, "fedface_runs", phase="preparing") == NEWEST_RUNS + 3, "all of them are counted"


def test_no_metric_is_labelled_by_client(api: TestClient, services: InProcess) -> None:
    services.run()
    assert "client-00" not in api.get("/metrics").text


def test_a_ledger_that_goes_while_it_is_read_is_down_and_metrics_still_answer(
    api: TestClient, services: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.ports.ledger, "runs", down)
    samples = scrape(api)
    assert value(samples, "fedface_dependency_up", dependency="ledger") == 0
    assert value(samples, "fedface_dependency_up", dependency="artifact_store") == 1


@pytest.mark.parametrize(("dependency", "port"), [("ledger", "ledger"), ("artifact_store", "artifacts")])
def test_a_dependency_that_is_down_is_zero_and_without_a_ledger_there_are_no_runs(
    api: TestClient, services: InProcess, monkeypatch: pytest.MonkeyPatch, dependency: str, port: str
) -> None:
    monkeypatch.setattr(getattr(services.ports, port), "ping", down)
    samples = scrape(api)
    assert value(samples, "fedface_dependency_up", dependency=dependency) == 0
    assert (value(samples, "fedface_runs", phase="created") is None) is (dependency == "ledger")


def test_a_ledger_that_hangs_is_down_and_the_scrape_does_not_wait_for_it(
    services: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scrape that waits is given up by Prometheus, which then knows nothing: no alert told of a Redis that hung."""
    ended = threading.Event()
    monkeypatch.setattr(services.ports.ledger, "ping", lambda: ended.wait(20.0))
    registry = CollectorRegistry()
    registry.register(RunMetrics(services.ports, seconds=0.02))
    started = time.monotonic()
    assert registry.get_sample_value("fedface_dependency_up", {"dependency": "ledger"}) == 0
    assert time.monotonic() - started < 5.0
    ended.set()


def test_a_run_that_is_deleted_during_a_scrape_takes_no_other_metric_with_it(
    api: TestClient, services: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.until(services.start(), lambda run: run.round == 0)

    def gone(run_id: str, *_: object) -> None:
        raise NotFoundError(run_id)

    monkeypatch.setattr(services.ports.ledger, "round_summaries", gone)
    assert value(scrape(api), "fedface_dependency_up", dependency="ledger") == 1
