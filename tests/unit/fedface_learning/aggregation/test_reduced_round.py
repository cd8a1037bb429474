"""The objects of a reduced round and what its aggregation reports of them."""

from __future__ import annotations

import torch

from fedface_learning.aggregation.reduced_round import reduced_round
from fedface_learning.formats.codec import decode_tensors, sha256_hex
from fedface_learning.objectives.spreadout import SpreadoutStats
from fedface_learning.strategies import ServerResult

STATS = SpreadoutStats(loss=0.25, mean_off_diagonal_cosine=0.1, max_off_diagonal_cosine=0.5)


def test_what_a_strategy_does_not_give_is_no_object() -> None:
    refused = {"client-000009": "changed", "client-000002": "malformed"}
    reduced = reduced_round([b"mo", b"del"], ServerResult(torch.eye(2), STATS), folded=1, images=3, refused=refused)
    assert (reduced.server_state, reduced.guidance) == ((), None)
    assert (reduced.aggregation.server_state_sha256, reduced.aggregation.guidance_sha256) == (None, None)
    assert reduced.aggregation.model_sha256 == sha256_hex(b"model")
    assert reduced.aggregation.class_embeddings_sha256 == sha256_hex(reduced.class_embeddings)
    assert list(reduced.aggregation.refused) == ["client-000002", "client-000009"]
    assert reduced.aggregation.max_off_diagonal_cosine == 0.5


def test_state_and_guidance_are_named_by_their_content() -> None:
    result = ServerResult(torch.eye(2), STATS, state={"a": torch.ones(1)}, guidance={"b": torch.zeros(1)})
    reduced = reduced_round([b"model"], result, folded=1, images=3, refused={})
    assert reduced.guidance is not None
    assert reduced.aggregation.server_state_sha256 == sha256_hex(*reduced.server_state)
    assert reduced.aggregation.guidance_sha256 == sha256_hex(reduced.guidance)
    assert decode_tensors(reduced.guidance)[0].keys() == {"b"}
