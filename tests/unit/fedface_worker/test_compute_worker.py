"""What a compute worker says of itself when it starts: its device, its torch, and its GPU if it has one."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from fedface_core.domain.errors import InvalidInputError
from fedface_worker import compute_worker
from fedface_worker.compute_worker import run_compute_worker, run_device_worker


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the worker would have been started with."""
    said: dict[str, Any] = {}
    monkeypatch.setattr(compute_worker, "run_worker", lambda *_, **options: said.update(options))
    monkeypatch.setattr(compute_worker, "name_of_gpu", lambda: "NVIDIA H100")
    monkeypatch.setenv("FEDFACE_REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("FEDFACE_ARTIFACTS", "directory")
    monkeypatch.setenv("FEDFACE_ARTIFACT_DIRECTORY", "/artifacts")
    return said


def test_a_worker_on_the_cpu_says_no_gpu(started: dict[str, Any]) -> None:
    for run in (run_device_worker, run_compute_worker):
        run("client", "tasks")
        assert (started["device"], started["torch"], started["gpu"]) == ("cpu", torch.__version__, None)


def test_a_worker_on_a_gpu_says_what_it_is_called(started: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDFACE_DEVICE", "cuda")
    monkeypatch.setattr(compute_worker, "require_device", lambda kind: None)
    run_device_worker("client", "tasks")
    assert (started["device"], started["torch"], started["gpu"]) == ("cuda", torch.__version__, "NVIDIA H100")


def test_a_worker_for_a_gpu_that_is_not_there_does_not_start(
    started: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDFACE_DEVICE", "cuda")
    monkeypatch.setattr("fedface_learning.device.has_gpu", lambda: False)
    with pytest.raises(InvalidInputError, match="the device is 'cuda'"):
        run_device_worker("client", "tasks")
    assert started == {}
