"""A plan for a GPU where workers on CPUs alone say in a real Valkey that they are there: the run says so at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread

import kombu.pools
import pytest
import redis
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from fedface_control.api.app import create_app
from fedface_control.computed_with import computed_with
from fedface_core.bootstrap import connect
from fedface_core.contracts.manifest import WorkerBuild
from fedface_core.contracts.tasks import device_queue
from fedface_core.domain.device_kinds import DeviceKind
from fedface_core.domain.plan.compute import ComputePlan
from fedface_core.domain.round import RoundPhase
from fedface_core.ports import Ports, WorkerPresence
from fedface_core.runtime.celery_app import create_celery
from fedface_core.runtime.presence import keep_saying
from fedface_core.runtime.settings import Settings
from support.control_rounds import a_round
from support.open_sign_in import open_sign_in
from support.servers import wait_for

PLAN = {"compute": {"device": "cuda"}}


@pytest.fixture
def ports(broker_url: str, tmp_path: Path) -> Iterator[Ports]:
    settings = Settings(redis_url=SecretStr(broker_url), artifacts="directory", artifact_directory=tmp_path)
    with create_celery(settings) as app:
        yield connect(settings, app)
    kombu.pools.reset()


@contextmanager
def at_work(broker_url: str, service: str, device: DeviceKind, gpu: str | None = None) -> Iterator[None]:
    """A worker of the service that says it is there, and then takes it back."""
    stopped = Event()
    presence = WorkerPresence(name=f"{service}@{device}", device=device, processes=1, torch="2.13.0", gpu=gpu)
    with redis.Redis.from_url(broker_url) as broker:
        speaking = Thread(target=keep_saying, args=(broker, device_queue(service, device), presence, stopped))
        speaking.start()
        try:
            yield
        finally:
            stopped.set()
            speaking.join()


def test_a_plan_for_a_gpu_says_within_seconds_that_only_cpus_are_there(ports: Ports, broker_url: str) -> None:
    with ExitStack() as workers, TestClient(create_app(ports, CollectorRegistry(), open_sign_in())) as api:
        for service in ("client", "aggregator", "evaluator"):
            workers.enter_context(at_work(broker_url, service, "cpu"))
        queues = ("client", "aggregator", "evaluator")
        wait_for("the workers", lambda: all(ports.publisher.workers(queue) for queue in queues))
        run_id = api.post("/v1/runs", json=PLAN).json()["id"]
        began = time.monotonic()
        api.post(f"/v1/runs/{run_id}/start")

        def why() -> str | None:
            answer: str | None = api.get(f"/v1/runs/{run_id}").json()["waits_because"]
            return answer

        no_client = (
            "no client worker has the plan's compute.device, 'cuda': start a client worker with FEDFACE_DEVICE=cuda, or "
            "clone the run with compute null"
        )
        no_evaluator = no_client.replace("a client worker", "an evaluator").replace("client worker", "evaluator")
        assert why() == f"{no_client}; {no_evaluator}"
        assert time.monotonic() - began < 5
        with at_work(broker_url, "client", "cuda", "NVIDIA H100"):
            wait_for("the warning", lambda: why() == no_evaluator)
            with at_work(broker_url, "evaluator", "cuda", "NVIDIA H200"):
                wait_for("the end of the warning", lambda: why() is None)
            assert why() == no_evaluator, "it has taken its word back"


def test_what_workers_say_is_what_a_manifest_names(ports: Ports, broker_url: str) -> None:
    ended = a_round(RoundPhase.ABANDONED)
    with at_work(broker_url, "client", "cuda", "NVIDIA H100"), at_work(broker_url, "client", "cpu"):
        wait_for("the workers", lambda: bool(ports.publisher.workers("client-cuda") and ports.publisher.workers("client")))
        there = computed_with(ports, ComputePlan(device="cuda"), ended)
        here = computed_with(ports, ComputePlan(), ended)
    assert there.workers == (WorkerBuild(service="client", torch="2.13.0", gpu="NVIDIA H100"),)
    assert here.workers == (WorkerBuild(service="client", torch="2.13.0", gpu=None),)
