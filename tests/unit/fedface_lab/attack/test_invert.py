"""The loss that is inverted is the one that the client minimised: by its photographs it has the gradient of the update."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cosine_similarity

from fedface_core.adapters.directory import LocalArtifacts
from fedface_lab.attack.invert import images_of_step, loss_of
from fedface_lab.attack.stored_objects import FolderObjects
from fedface_lab.attack.stored_round import StoredRound
from fedface_lab.attack.uploaded_gradient import gradient_of
from fedface_learning.models import build_network
from fedface_learning.models.weights import load_tensors
from support.in_process import InProcess
from support.tiny_run import tiny_plan, write_faces

CLIENT = "client-000001"


@pytest.mark.parametrize(
    "strategy",
    [
        "fedface",
        {"name": "public-negatives", "embedded_by": "base"},
        "gaussian-negatives",
        {"name": "gaussian-negatives", "contrast": "clients", "anchor": 10.0},
    ],
    ids=str,
)
def test_its_gradient_by_the_clients_photographs_is_the_uploaded_one(tmp_path: Path, strategy: Any) -> None:
    """In the second round: in the first one an anchor is where the network is, and has no gradient."""
    faces = write_faces(tmp_path / "faces")
    plan = tiny_plan(faces, strategy=strategy, split={"public": 2}, rounds=2, local_training={"flip": True, "shift": 1})
    services = InProcess(plan, artifacts=LocalArtifacts(tmp_path / "store"))
    stored = StoredRound.read(FolderObjects(tmp_path / "store"), services.run().id, 2)
    network = build_network(plan.model)
    load_tensors(network, stored.global_model(), source="the global model")
    loss = loss_of(stored, CLIENT, network)(images_of_step(stored, CLIENT).float())
    found = torch.autograd.grad(loss, [*network.parameters()])
    uploaded = gradient_of(stored, CLIENT, [name for name, _ in network.named_parameters()])
    flat, expected = (torch.cat([part.flatten() for part in parts]) for parts in (found, uploaded))
    assert float(cosine_similarity(flat, expected, dim=0)) > 0.9999
    assert float(flat.norm() / expected.norm()) == pytest.approx(1, rel=1e-3)
