"""How a Celery task handles a command: validated first, named in the logs, counted by outcome."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
from prometheus_client import REGISTRY
from pydantic import SecretStr

from fedface_core.contracts.tasks import AGGREGATOR, CORRELATION_HEADER, QUEUES, ROUTES
from fedface_core.domain.commands import EvaluateModel, FoldShard, ReduceRound
from fedface_core.domain.errors import UnavailableError
from fedface_core.runtime.celery_app import SigningCelery, create_celery, register_handler
from fedface_core.runtime.settings import Settings, WorkerSettings
from support.signing import signed_headers

RUN = "run-0123456789ab"
TASK = ROUTES[FoldShard].task
COMMAND = FoldShard(run_id=RUN, round=2, shard=1)
REDIS = SecretStr("redis://:own@127.0.0.1:1/0")  # nothing listens there, and nothing here connects


@pytest.fixture
def app(tmp_path: Path) -> SigningCelery:
    return create_celery(WorkerSettings(redis_url=REDIS, artifacts="directory", artifact_directory=tmp_path))


def count_of(outcome: str) -> float:
    labels = {"task": TASK, "queue": AGGREGATOR, "outcome": outcome}
    return REGISTRY.get_sample_value("fedface_task_seconds_count", labels) or 0.0


def deliver(app: SigningCelery, body: object, headers: dict[str, str] | None = None) -> Any:
    """Run the task as a worker does when it gets this message, signed. Returns Celery's result of the task."""
    signed = signed_headers(app, COMMAND, (headers or {}).get(CORRELATION_HEADER, "none"))
    return app.tasks[TASK].apply(kwargs={"command": body}, headers=signed)


def test_a_command_is_handled_with_its_correlation_id(app: SigningCelery) -> None:
    handled: list[tuple[FoldShard, str]] = []
    register_handler(app, FoldShard, lambda command, correlation_id: handled.append((command, correlation_id)))
    before = count_of("ok")
    assert deliver(app, COMMAND.model_dump(mode="json"), {CORRELATION_HEADER: "abc"}).successful()
    assert handled == [(COMMAND, "abc")]
    assert count_of("ok") == before + 1


def test_logs_of_a_task_name_its_run_round_and_shard(app: SigningCelery) -> None:
    named: list[dict[str, Any]] = []
    register_handler(app, FoldShard, lambda *_: named.append(structlog.contextvars.get_contextvars()))
    deliver(app, COMMAND.model_dump(mode="json"), {CORRELATION_HEADER: "abc"})
    assert named == [{"task": TASK, "correlation_id": "abc", "run_id": RUN, "round": 2, "shard": 1}]
    assert structlog.contextvars.get_contextvars() == {}


def test_an_error_is_logged_counted_and_ends_the_task(app: SigningCelery) -> None:
    def fail(command: FoldShard, correlation_id: str) -> None:
        raise UnavailableError("the S3 server does not answer")

    register_handler(app, FoldShard, fail)
    before = count_of("error")
    with structlog.testing.capture_logs() as logs:
        assert isinstance(deliver(app, COMMAND.model_dump(mode="json")).result, UnavailableError)
    assert "task_failed" in [entry["event"] for entry in logs]
    assert count_of("error") == before + 1


def test_a_lack_of_memory_ends_its_task_alone(app: SigningCelery) -> None:
    """Celery ends a whole worker for a `MemoryError`."""

    def fail(command: FoldShard, correlation_id: str) -> None:
        raise MemoryError("no room for 8 GiB")

    register_handler(app, FoldShard, fail)
    with structlog.testing.capture_logs() as logs:
        result = deliver(app, COMMAND.model_dump(mode="json")).result
    assert (type(result), str(result)) == (RuntimeError, "MemoryError: no room for 8 GiB")
    assert "task_failed" in [entry["event"] for entry in logs]


# The body of a message → the reason in the logs.
REFUSED: list[tuple[object, str]] = [
    (None, "this is no FoldShard: Input should be a valid dictionary or instance of FoldShard"),
    ({}, "this is no FoldShard: run_id: is required; round: is required; shard: is required"),
    ({"run_id": "../../etc", "round": 1, "shard": 0}, "this is no FoldShard: run_id: String should match pattern"),
    ({"run_id": RUN, "round": "one", "shard": 0}, "this is no FoldShard: round: Input should be a valid integer"),
    ({"run_id": RUN, "round": 1, "shard": 0, "surprise": True}, "this is no FoldShard: surprise: there is no such field"),
    (
        {"run_id": RUN, "round": 1, "shard": 0, "schema_version": 7},
        "schema version 7 of FoldShard is not known here: this FedFace reads version 3; upgrade this worker, or drain the "
        "queue with the version that wrote it",
    ),
]


@pytest.mark.parametrize(("body", "reason"), REFUSED)
def test_a_message_that_is_not_such_a_command_is_refused_in_one_line(app: SigningCelery, body: object, reason: str) -> None:
    handled: list[object] = []
    refused = count_of("refused")
    errors = count_of("error")
    register_handler(app, FoldShard, lambda command, _: handled.append(command))
    with structlog.testing.capture_logs() as records:
        assert deliver(app, body).successful(), "dropped without a traceback"
    assert handled == []
    assert (count_of("refused"), count_of("error")) == (refused + 1, errors)
    (record,) = [record for record in records if record["log_level"] == "error"]
    assert record["event"] == "message_refused"
    assert record["reason"].startswith(reason)
    assert "exc_info" not in record


def test_a_message_without_a_command_is_refused(app: SigningCelery) -> None:
    refused = count_of("refused")
    register_handler(app, FoldShard, lambda *_: None)
    assert app.tasks[TASK].apply().successful()
    assert count_of("refused") == refused + 1


def test_a_task_that_is_interrupted_is_counted_as_such(app: SigningCelery) -> None:
    def end_of_the_worker(command: FoldShard, correlation_id: str) -> None:
        raise SystemExit

    register_handler(app, FoldShard, end_of_the_worker)
    interrupted = count_of("interrupted")
    errors = count_of("error")
    with structlog.testing.capture_logs() as records, pytest.raises(SystemExit):
        deliver(app, COMMAND.model_dump(mode="json"))
    assert (count_of("interrupted"), count_of("error")) == (interrupted + 1, errors)
    assert "task_interrupted" in [record["event"] for record in records]


def come_back(app: SigningCelery) -> None:
    """Run the task as a worker does with a message that a killed process has left, and raise its error."""
    task = app.tasks[TASK]
    task.push_request(delivery_info={"redelivered": True}, headers=signed_headers(app, COMMAND))
    try:
        task.run(command=COMMAND.model_dump(mode="json"))
    finally:
        task.pop_request()


@pytest.mark.parametrize("given_up", [False, True])
def test_a_message_that_came_back_is_handled_only_if_it_is_not_given_up(app: SigningCelery, given_up: bool) -> None:
    story: list[object] = []

    @contextmanager
    def count(command: FoldShard, correlation_id: str) -> Iterator[bool]:
        story.append(("came back", command, correlation_id))
        yield given_up
        story.append("done")

    register_handler(app, FoldShard, lambda command, _: story.append("handled"), count)
    before = count_of("given_up")
    assert deliver(app, COMMAND.model_dump(mode="json")).successful()
    assert story == ["handled"], "a message that comes for the first time costs nothing"
    story.clear()
    come_back(app)
    assert story == [("came back", COMMAND, "none"), *([] if given_up else ["handled"]), "done"]
    assert count_of("given_up") == before + given_up


def test_an_error_of_a_message_that_came_back_ends_its_block(app: SigningCelery) -> None:
    ended: list[str] = []

    @contextmanager
    def count(_command: FoldShard, _correlation_id: str) -> Iterator[bool]:
        try:
            yield False
        except RuntimeError as error:
            ended.append(str(error))
            raise

    def fail(*_: object) -> None:
        raise RuntimeError("again")

    register_handler(app, FoldShard, fail, count)
    with pytest.raises(RuntimeError):
        come_back(app)
    assert ended == ["again"]


def test_each_outcome_of_a_task_is_exported_from_its_registration_on(app: SigningCelery) -> None:
    name = ROUTES[ReduceRound].task
    register_handler(app, ReduceRound, lambda *_: None)
    for outcome in ("ok", "error", "refused", "forged", "interrupted", "given_up"):
        labels = {"task": name, "queue": AGGREGATOR, "outcome": outcome}
        assert REGISTRY.get_sample_value("fedface_task_seconds_count", labels) is not None, outcome


def test_a_task_is_counted_for_the_queue_that_its_worker_takes_from(tmp_path: Path) -> None:
    """So that a queue whose workers hang is seen beside one of the same tasks whose workers do not."""
    settings = WorkerSettings(redis_url=REDIS, artifacts="directory", artifact_directory=tmp_path)
    app = create_celery(settings, takes_from="evaluator-cuda")
    register_handler(app, EvaluateModel, lambda *_: None)
    task = ROUTES[EvaluateModel].task
    labels = {"task": task, "queue": "evaluator-cuda", "outcome": "refused"}
    of_all_workers = REGISTRY.get_sample_value("fedface_task_seconds_count", labels | {"queue": "evaluator"})
    assert REGISTRY.get_sample_value("fedface_task_seconds_count", labels) == 0
    app.tasks[task].apply(kwargs={"command": None}, delivery_info={"routing_key": "evaluator"})  # type: ignore[call-arg]
    assert REGISTRY.get_sample_value("fedface_task_seconds_count", labels) == 1
    assert REGISTRY.get_sample_value("fedface_task_seconds_count", labels | {"queue": "evaluator"}) == of_all_workers


def test_delivery_is_at_least_once_with_json_only(app: SigningCelery) -> None:
    conf = app.conf
    assert conf.task_acks_late
    assert conf.task_reject_on_worker_lost
    assert conf.task_acks_on_timeout is False, "a task that takes too long comes back, so that it is counted"
    assert conf.worker_prefetch_multiplier == 1
    assert conf.task_ignore_result
    assert (conf.task_serializer, conf.accept_content) == ("json", ["json"])
    assert {queue.name for queue in conf.task_queues} == set(QUEUES)


def test_a_task_is_not_delivered_again_while_it_may_still_run(tmp_path: Path) -> None:
    settings = WorkerSettings(
        redis_url=REDIS,
        artifacts="directory",
        artifact_directory=tmp_path,
        task_time_limit_seconds=77,
        patience_seconds=70,
        concurrency=3,
    )
    conf = create_celery(settings).conf
    assert conf.task_time_limit == 77
    assert conf.worker_concurrency == 3
    assert conf.broker_transport_options["visibility_timeout"] > 77
    assert conf.broker_transport_options["socket_timeout"] > 0, "waits for the broker are bounded"


def test_a_broker_is_waited_for_however_long_it_is_away_or_answers_with_errors(app: SigningCelery) -> None:
    assert app.conf.broker_connection_retry_on_startup
    assert app.conf.broker_connection_max_retries is None
    assert app.conf.broker_channel_error_retry


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("rediss://:own@127.0.0.1:1/0", {"ssl_cert_reqs": ssl.CERT_REQUIRED}),
        ("rediss://:own@127.0.0.1:1/0?ssl_check_hostname=false", {"ssl_check_hostname": False}),
        ("redis://:own@127.0.0.1:1/0", None),
    ],
)
def test_a_broker_gets_tls_if_its_url_asks_for_it(tmp_path: Path, url: str, options: object) -> None:
    app = create_celery(Settings(redis_url=SecretStr(url), artifacts="directory", artifact_directory=tmp_path))
    assert app.connection_for_write().ssl == options


def test_an_app_that_only_publishes_has_no_limits_for_tasks(tmp_path: Path) -> None:
    conf = create_celery(Settings(redis_url=REDIS, artifacts="directory", artifact_directory=tmp_path)).conf
    assert conf.task_time_limit is None
    assert conf.broker_url == REDIS.get_secret_value()
