"""The cost that `POST /v1/plans:check` estimates is about what a run costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fedface_core.domain.cost import plan_cost
from support.in_process import InProcess
from support.tiny_run import tiny_plan, write_faces

ENCODINGS = ["float32", "float16", "int8", {"name": "top-k", "share": 0.25}]
# The tiny network's update is 6 kB, and the names of its tensors 2 kB more.
WIDER = {"widths": [16, 16, 32, 32], "embedding_size": 32}


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
@pytest.mark.parametrize("strategy", ["fedface", "fedaws", {"name": "public-negatives"}], ids=str)
def test_the_bytes_are_about_those_of_a_run(faces: Path, encoding: Any, strategy: Any) -> None:
    assert_bytes_are_estimated(faces, encoding, strategy)


@pytest.mark.parametrize("encoding", ["float32", {"name": "int8", "error_feedback": False}], ids=str)
def test_the_bytes_are_about_those_of_a_run_that_sums_class_embeddings(faces: Path, encoding: Any) -> None:
    assert_bytes_are_estimated(faces, encoding, "gaussian-negatives")


@pytest.mark.parametrize("strategy", ["feduv", {"name": "fedfv", "group_size": 3}, {"name": "fedfr"}], ids=str)
def test_the_bytes_are_about_those_of_a_run_of_a_rival(tmp_path: Path, strategy: Any) -> None:
    assert_bytes_are_estimated(write_faces(tmp_path / "faces", identities=10), "float32", strategy, clients=6)


def assert_bytes_are_estimated(faces: Path, encoding: Any, strategy: Any, clients: int = 3) -> None:
    split = {"clients": clients, "public": 2}
    plan = tiny_plan(faces, model=WIDER, update_encoding=encoding, strategy=strategy, split=split)
    services = InProcess(plan)
    run = services.run()
    rounds = services.ports.ledger.round_summaries(run.id)
    assert len(rounds) == 1 + plan.rounds
    uploaded = sum(glance.round.aggregation.uploaded_bytes for glance in rounds if glance.round.aggregation)
    assert plan_cost(plan).bytes_up == pytest.approx(uploaded, rel=0.3)


def test_downloads_are_a_model_for_each_invitation(faces: Path) -> None:
    plan = tiny_plan(faces, model=WIDER)
    services = InProcess(plan)
    run = services.run()
    assert run.model_sha256 is not None
    size = services.ports.artifacts.size(f"models/{run.model_sha256}.safetensors")
    assert plan_cost(plan).bytes_down == pytest.approx((1 + plan.rounds) * plan.split.clients * size, rel=0.3)
