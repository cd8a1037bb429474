"""The bare loop, which benchmarks compare simulations with, makes the models of real rounds."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest
import torch
from torch.nn.functional import normalize

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.changed import changed
from fedface_core.domain.plan.spreadout import SpreadoutPlan
from fedface_learning.formats.codec import decode_tensors
from fedface_learning.objectives import spreadout as ours
from fedface_learning.simulation.simulate import simulate
from loadtest.bare.rounds import BareLoopEndedError, BareRounds
from loadtest.bare.spreadout import spread
from loadtest.bare.workload import Spreadout
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
            model = decode_tensors(simulate(changed(plan, {"rounds": number})).model)[0]
            assert bare.model.keys() == model.keys()
            for name, tensor in bare.model.items():
                assert torch.allclose(tensor, model[name], atol=1e-6), (number, name)
            moved = sum((tensor - before[name]).square().sum().item() for name, tensor in bare.model.items())
            assert moved > 1e-4, "so that more than what the round started from was compared"
            before = {name: tensor.clone() for name, tensor in bare.model.items()}
    assert not torch.allclose(bare.class_embeddings_CD, workload.class_embeddings_CD, atol=1e-3), "they were spread, too"


@pytest.mark.parametrize("clients", [1, 2, 40])
@pytest.mark.parametrize("margin", [-0.2, 0.3, 0.99])
def test_its_spreadout_is_ours(clients: int, margin: float) -> None:
    rows_CD = normalize(1.0 + torch.randn(clients, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    plan = SpreadoutPlan(margin=margin)
    plain = Spreadout(steps=plan.steps, learning_rate=plan.learning_rate, weight=plan.weight, margin=plan.margin)
    expected_CD, _ = ours.spread(rows_CD, plan)
    torch.testing.assert_close(spread(rows_CD, plain), expected_CD, rtol=0, atol=1e-7)


def test_a_process_that_was_killed_is_noticed_and_the_others_end(plan: Plan) -> None:
    with BareRounds(enrolled_workload(plan), 2, channels_last=False) as bare:
        workers = [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]
        assert len(workers) == 2
        os.kill(workers[0].pid, signal.SIGKILL)
        with pytest.raises(BareLoopEndedError):
            bare.round()
    assert not any(worker.is_running() for worker in workers)
