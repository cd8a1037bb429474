"""The server state keeps what optimiser and strategy gave it apart."""

from __future__ import annotations

import io

import torch

from fedface_learning.aggregation.server_state import join_states, moments_of, strategy_state
from fedface_learning.formats.codec import encode_tensors
from fedface_learning.formats.stored_tensors import StoredTensors


def test_both_states_come_back_though_they_have_equal_names() -> None:
    optimiser = {"first/weight": torch.arange(6.0).view(2, 3), "first/shared": torch.zeros(1)}
    strategy = {"first/weight": torch.ones(2), "shared": torch.ones(1)}
    state = join_states(optimiser, strategy)
    assert len(state) == 4
    stored = StoredTensors(io.BytesIO(encode_tensors(state)))
    found = strategy_state(stored)
    assert found.keys() == strategy.keys()
    assert all(torch.equal(found[name], strategy[name]) for name in strategy)
    moments_P = moments_of(stored, "first", "weight", 2, 3)
    assert moments_P is not None
    assert moments_P.tolist() == [2.0, 3.0, 4.0]


def test_what_is_not_kept_is_none() -> None:
    stored = StoredTensors(io.BytesIO(encode_tensors(join_states({"first/weight": torch.ones(2)}, {}))))
    assert strategy_state(stored) == {}
    assert moments_of(stored, "second", "weight", 0, 2) is None
    assert moments_of(stored, "first", "bias", 0, 2) is None
    assert moments_of(None, "first", "weight", 0, 2) is None
