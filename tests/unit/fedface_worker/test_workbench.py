"""What a workbench keeps between tasks, and what it asks for each time."""

from __future__ import annotations

from datetime import timedelta

import pytest
import torch

from fedface_core.contracts import object_keys
from fedface_core.domain.errors import ArtifactMissingError
from fedface_core.domain.plan import ModelPlan
from fedface_core.ports import Ports
from fedface_learning.formats.codec import encode_tensors, sha256_hex
from fedface_worker.workbench import Workbench
from support.in_process import InProcess
from support.small_networks import small_plan


@pytest.fixture
def ports() -> Ports:
    return InProcess(small_plan()).ports


def test_guidance_is_fetched_once_and_none_is_no_tensors(ports: Ports) -> None:
    workbench = Workbench(ports)
    assert workbench.guidance("run", None) == {}
    data = encode_tensors({"public": torch.eye(2)})
    key = object_keys.guidance("run", sha256_hex(data))
    with pytest.raises(ArtifactMissingError):
        workbench.guidance("run", sha256_hex(data))
    ports.artifacts.put(key, data)
    guidance = workbench.guidance("run", sha256_hex(data))
    ports.artifacts.delete(key)
    assert workbench.guidance("run", sha256_hex(data)) is guidance


def test_a_cohort_is_read_once_and_what_changes_of_the_round_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    services = InProcess(small_plan())
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 0)
    ledger = services.ports.ledger
    opened = ledger.load_round(run_id, 0)
    workbench = Workbench(services.ports)
    assert workbench.current_round(run_id, 0) == opened
    monkeypatch.setattr(ledger, "load_round", None)  # a further read would fail
    closed = opened.closed(opened.opened_at)
    run = ledger.save(ledger.load(run_id), "round_closed", changed=closed)
    assert workbench.current_round(run_id, 0) == closed
    monkeypatch.undo()
    other = closed.model_copy(update={"opened_at": opened.opened_at + timedelta(seconds=1), "cohort": opened.cohort[1:]})
    ledger.save(run, "round_opened", opened=other)
    assert workbench.current_round(run_id, 0) == other


def test_what_an_earlier_delivery_put_is_found(ports: Ports) -> None:
    workbench = Workbench(ports)
    key = "runs/some/object"
    assert workbench.stored(key, ModelPlan) is None
    model = small_plan().model
    ports.artifacts.put(key, model.model_dump_json().encode())
    assert workbench.stored(key, ModelPlan) == model
