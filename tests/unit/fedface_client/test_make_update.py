"""What a client reads to make its update, and what is counted of its training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fedface_core.adapters.memory import MemoryArtifacts
from fedface_core.contracts import object_keys
from fedface_core.domain.commands import TrainClients
from fedface_core.domain.run import Run, RunPhase
from fedface_core.runtime.metrics import CountedArtifacts
from fedface_core.signing.hash_tree import HASH_BYTES
from fedface_core.signing.trailer import TRAILER_BYTES
from support.in_process import InProcess
from support.metrics import counter
from support.tiny_run import tiny_plan

VICTIM = "client-000001"


def bytes_read(kind: str) -> float:
    return counter("artifact_bytes", operation="get", kind=kind)


def in_training(run: Run) -> bool:
    return run.round == 1


def test_a_client_reads_no_class_embedding_but_its_own(faces: Path) -> None:
    """A row has 16 bytes, four float32 numbers, and its signature; the rows of the four clients have 64.

    The signature is that of the four rows. A salt and two hashes lead to it from each.
    """
    services = InProcess(tiny_plan(faces), artifacts=CountedArtifacts(MemoryArtifacts()))
    run_id = services.start()
    services.until(run_id, in_training)
    of_all = services.ports.ledger.load_round(run_id, 1).class_embeddings_sha256
    assert services.ports.artifacts.size(object_keys.class_embeddings(run_id, of_all or "")) == 64
    for index in range(4):
        rows_before = bytes_read("row")
        whole_before = bytes_read("class_embedding")
        updates_before = bytes_read("update")
        services.deliver_now(TrainClients(run_id=run_id, round=1, clients=(f"client-{index:06d}",)))
        assert bytes_read("row") - rows_before == 16 + 3 * HASH_BYTES + TRAILER_BYTES
        assert bytes_read("class_embedding") == whole_before
        assert bytes_read("update") == updates_before


FEWER = {"schedule": "linear", "final_learning_rate": 0.5, "final_steps": 1}


@pytest.mark.parametrize(
    ("local", "number", "seen"),
    [({}, 1, 6), ({"batch_size": 1}, 1, 3), ({"batch_size": 100}, 1, 6), (FEWER, 1, 6), (FEWER, 2, 2)],
)
def test_each_step_counts_the_images_that_it_saw(faces: Path, local: dict[str, Any], number: int, seen: int) -> None:
    services = InProcess(tiny_plan(faces, local_training={"steps": 3} | local))
    run_id = services.start()
    services.until(run_id, lambda run: run.round == number)
    before = counter("training_images")
    services.deliver_now(TrainClients(run_id=run_id, round=number, clients=(VICTIM,)))
    assert counter("training_images") - before == seen, "of the client's two images"


def test_a_damaged_model_version_is_not_computed_with(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    run = services.until(run_id, lambda run: run.round == 0)
    assert run.model_sha256 is not None
    services.ports.artifacts.put(object_keys.model(run.model_sha256), b"damaged")
    services.restart_services()  # the running ones have it in memory
    run = services.to_end(run_id)
    assert run.phase is RunPhase.FAILED
    reasons = services.ports.ledger.failed(run_id, 0)
    assert len(reasons) == 4, "each client"
    assert all("it was damaged" in reason for reason in reasons.values())
