"""The limit that simulations are compared with does the same work: its average is the model of a real round."""

from __future__ import annotations

from pathlib import Path

import torch

from fedface_learning.formats.codec import decode_tensors
from fedface_learning.models import initial_network
from fedface_learning.simulation.simulate import simulate
from loadtest.bench.bare_loop import BareLoop
from support.tiny_run import tiny_plan, write_faces


def test_all_processes_loops_together_average_to_the_rounds_model(tmp_path: Path) -> None:
    plan = tiny_plan(
        write_faces(tmp_path),
        rounds=1,
        spreadout={"steps": 0},
        local_training={"steps": 3, "margin": 1.0, "learning_rate": 1.0},
    )
    model = decode_tensors(simulate(plan).model)[0]
    shares = [BareLoop(plan, index, 2, "plain").round() for index in range(2)]
    images = sum(count for _, count in shares)
    moved = 0.0
    for name, before in initial_network(plan.model, plan.seed).named_parameters():
        average = torch.stack([sums[name] for sums, _ in shares]).sum(dim=0) / images
        assert torch.allclose(average, model[name], atol=1e-6), name
        moved += (average - before).square().sum().item()
    assert moved > 1e-4, "so that more than the initial network was compared"


def test_every_round_starts_from_the_same_model(tmp_path: Path) -> None:
    loop = BareLoop(tiny_plan(write_faces(tmp_path)), 0, 1, "plain")
    (first, images), (second, again) = loop.round(), loop.round()
    assert images == again == 8
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
