"""A network is copied to a GPU, trained there and read there: shown on the CPU, with a copy of it in place of the GPU's."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch

from fedface_core.domain.plan import Plan
from fedface_learning.client import trainer
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.simulation import simulation_data
from fedface_learning.simulation.simulate import BOUNDS, simulate
from fedface_learning.strategies import STRATEGIES, fedfr, public_steps
from support.tiny_run import tiny_plan, write_faces


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_faces(tmp_path_factory.mktemp("faces"), identities=14)


def plan_of(faces: Path, strategy: str, at_once: int) -> Plan:
    local: dict[str, Any] = {"steps": 1, "losses": "seen", "learning_rate": 0.01, "vectorised_clients": at_once}
    own: dict[str, Any] = {"name": strategy} | (
        {"embedded_by": "base"} if strategy in ("public-negatives", "fedfv", "fedfr") else {}
    )
    # The mean embeddings of so small a network are so close to its embeddings that nothing is left to learn.
    start = {"initialisation": "random"} if strategy in ("fedavg", "local-only", "chained") else {}
    return tiny_plan(faces, strategy=own, split={"public": 4, "clients": 8, "test": 2}, local_training=local, **start)


@pytest.mark.parametrize(
    ("strategy", "at_once", "fused"),
    [
        *((strategy, at_once, False) for strategy in STRATEGIES for at_once in (1, 3)),
        *((strategy, 1, True) for strategy in STRATEGIES),
        *((bound, 1, False) for bound in BOUNDS),
    ],
)
def test_a_simulation_with_a_copy_of_the_network_gives_equal_bytes(
    faces: Path, strategy: str, at_once: int, fused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(faces, strategy, at_once)
    here = simulate(plan, fused=fused)
    assert any(each.aggregation.update_norm for each in here.rounds), "it trains"

    def copied(network: EmbeddingNetwork, _device: torch.device) -> EmbeddingNetwork:
        return deepcopy(network)

    for module in (trainer, simulation_data, fedfr, public_steps):
        monkeypatch.setattr(module, "copy_on", copied)
    there = simulate(plan, fused=fused)
    assert there.model == here.model
    scores = [[each.verification and each.verification.scores for each in result.rounds] for result in (there, here)]
    assert scores[0] == scores[1]
