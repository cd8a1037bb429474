"""Fixtures for tests of control: the API over ports in memory, and the services that move its runs on.

A conftest takes those that its tests need, and ``faces`` from `support.service_fixtures`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from fedface_control.api.app import create_app, state_of
from fedface_control.api.run_metrics import RunMetrics
from fedface_core.domain.plan import Plan
from fedface_core.ports import Ports
from fedface_learning.client.local_training import Trainee, TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.client.update import Update, training_update
from support.control_rounds import Control
from support.in_process import InProcess
from support.open_sign_in import open_sign_in
from support.tiny_run import tiny_plan


@pytest.fixture(scope="session")
def plan(faces: Path) -> Plan:
    return tiny_plan(faces, rounds=1)


@pytest.fixture
def services(plan: Plan) -> InProcess:
    return InProcess(plan)


class SharedRegistry(CollectorRegistry):
    """A registry whose gauges of runs can be replaced by those over other ports."""

    run_metrics: RunMetrics

    def register(self, collector: Collector) -> None:
        if isinstance(collector, RunMetrics):
            self.run_metrics = collector
        super().register(collector)


class SharedApp:
    """One API for all tests of a session. Its routes are built at its first request, which takes longer than most tests."""

    def __init__(self) -> None:
        self._registry = SharedRegistry()
        self._app = create_app(Control.empty().ports, self._registry, open_sign_in())

    def over(self, ports: Ports) -> FastAPI:
        """The API, as if it had been made for ``ports``. Only its counters of requests go on from the tests before."""
        self._app.state = state_of(ports, open_sign_in())
        self._registry.unregister(self._registry.run_metrics)
        self._registry.register(RunMetrics(ports))
        return self._app


@pytest.fixture(scope="session")
def shared_app() -> SharedApp:
    return SharedApp()


@pytest.fixture
def api(services: InProcess, shared_app: SharedApp) -> Iterator[TestClient]:
    # As uvicorn answers: an error that no handler expects is a 500, and is not raised in the test.
    with TestClient(shared_app.over(services.ports), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    """Round and client of each update that is trained, in order."""
    updates: list[tuple[int, str]] = []

    def record_and_train(trainer: LocalTrainer, trainee: Trainee, training: TrainingRound) -> Update:
        updates.append((training.number, trainee.client))
        return training_update(trainer, trainee, training)

    monkeypatch.setattr("fedface_client.make_update.training_update", record_and_train)
    return updates
