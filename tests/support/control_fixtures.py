"""Fixtures for tests of control: the API over ports in memory, and the services that move its runs on.

A conftest takes those that its tests need, and ``faces`` from `support.service_fixtures`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry

from fedface_control.api.app import create_app
from fedface_core.domain.plan import Plan
from fedface_learning.client.local_training import Trainee, TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.client.update import Update, training_update
from support.in_process import InProcess
from support.tiny_run import tiny_plan


@pytest.fixture(scope="session")
def plan(faces: Path) -> Plan:
    return tiny_plan(faces, rounds=1)


@pytest.fixture
def services(plan: Plan) -> InProcess:
    return InProcess(plan)


@pytest.fixture
def api(services: InProcess) -> Iterator[TestClient]:
    # As uvicorn answers: an error that no handler expects is a 500, and is not raised in the test.
    with TestClient(create_app(services.ports, CollectorRegistry()), raise_server_exceptions=False) as client:
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
