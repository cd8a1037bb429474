"""The bare loop does the work of real rounds: its models are those of a simulation."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.merge_patch import apply_merge_patch
from fedface_learning.formats.codec import decode_tensors
from fedface_learning.simulation.simulate import simulate
from loadtest.bare.rounds import BareRounds
from loadtest.bench.plan_workload import enrolled_workload
from support.tiny_run import tiny_plan, write_faces


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return tiny_plan(
        write_faces(tmp_path),
        rounds=2,
        spreadout={"margin": -0.5},  # which four random rows are above, so that spreadout moves them
        local_training={"steps": 3, "margin": 1.0, "learning_rate": 0.1},
    )


def test_its_models_are_those_of_our_rounds(plan: Plan) -> None:
    workload = enrolled_workload(plan)
    before = workload.initial
    with BareRounds(workload, 2, channels_last=False) as bare:
        for number in (1, 2):
            assert bare.round() > 0
            model = decode_tensors(simulate(apply_merge_patch(plan, {"rounds": number})).model)[0]
            assert bare.model.keys() == model.keys()
            for name, tensor in bare.model.items():
                assert torch.allclose(tensor, model[name], atol=1e-6), (number, name)
            moved = sum((tensor - before[name]).square().sum().item() for name, tensor in bare.model.items())
            assert moved > 1e-4, "so that more than what the round started from was compared"
            before = {name: tensor.clone() for name, tensor in bare.model.items()}
    assert not torch.allclose(bare.class_embeddings_CD, workload.class_embeddings_CD, atol=1e-3), "they were spread, too"
