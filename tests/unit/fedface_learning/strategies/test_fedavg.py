"""FedAvg leaves the class embeddings alone."""

from __future__ import annotations

from dataclasses import replace

import torch

from fedface_learning.models import initial_network
from fedface_learning.strategies.fedavg import FEDAVG
from support.server_rounds import server_round
from support.small_networks import small_plan


def test_w_stays_and_clients_that_are_not_enrolled_do_not_count_in_its_cosines() -> None:
    plan = small_plan(strategy="fedavg")
    rows_CD = torch.zeros(6, 4)
    rows_CD[1, 0] = 1.0
    rows_CD[4, :2] = torch.tensor([0.6, 0.8])
    result = FEDAVG.finish(replace(server_round(plan, initial_network(plan.model, 0), rows_CD)))
    assert result.class_embeddings_CD is not None
    assert torch.equal(result.class_embeddings_CD, rows_CD)
    assert abs(result.stats.mean_off_diagonal_cosine - 0.6) < 1e-6
