"""Mean embeddings that clients upload, and W with them."""

from __future__ import annotations

from dataclasses import replace

import torch

from fedface_learning.models import initial_network
from fedface_learning.strategies import NOTHING, ClientRound
from fedface_learning.strategies.mean_embeddings import (
    MEAN_EMBEDDING,
    mean_embedding_shape,
    upload_mean_embedding,
    with_uploaded_means,
)
from support.server_rounds import server_round
from support.small_networks import small_plan

PLAN = small_plan()


def test_a_client_uploads_the_direction_of_its_mean_embedding() -> None:
    network = initial_network(PLAN.model, 0)
    client_round = ClientRound(PLAN, 1, network, torch.eye(4)[0], torch.eye(4)[1], NOTHING, NOTHING)
    # Of lengths 5 and 1, at 0° and 90°: embeddings are normalised before they are averaged, so the mean is at 45°.
    features_ND = torch.tensor([[5.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    uploads = upload_mean_embedding(client_round, features_ND)
    assert {name: tuple(tensor.shape) for name, tensor in uploads.items()} == mean_embedding_shape(PLAN)
    torch.testing.assert_close(uploads[MEAN_EMBEDDING], torch.tensor([0.5**0.5, 0.5**0.5, 0.0, 0.0]))
    made_before = upload_mean_embedding(client_round, torch.empty(0, 4))
    assert torch.equal(made_before[MEAN_EMBEDDING], torch.eye(4)[0]), "the one that it trained with"


def test_only_the_rows_of_clients_that_uploaded_are_replaced() -> None:
    rows_CD = torch.eye(4)[[0, 1, 2, 3, 0, 1]]
    uploaded = {"client-000002": {MEAN_EMBEDDING: torch.full((4,), 0.5)}}
    before = replace(server_round(PLAN, initial_network(PLAN.model, 0), rows_CD.clone()), uploaded=uploaded)
    found_CD = with_uploaded_means(before)
    assert torch.equal(found_CD[2], torch.full((4,), 0.5))
    others = [0, 1, 3, 4, 5]
    assert torch.equal(found_CD[others], rows_CD[others])
    assert torch.equal(before.class_embeddings_CD, rows_CD), "the round's own W is not changed"
