"""The server state keeps what optimiser and strategy gave it apart."""

from __future__ import annotations

import torch

from fedface_learning.aggregation.server_state import OPTIMISER, STRATEGY, join_states, select_state


def test_both_states_come_back_though_they_have_equal_names() -> None:
    optimiser = {"first/weight": torch.ones(2), "shared": torch.zeros(1)}
    strategy = {"shared": torch.ones(1)}
    state = join_states(optimiser, strategy)
    assert len(state) == 3
    assert select_state(state, OPTIMISER) == optimiser
    assert select_state(state, STRATEGY) == strategy
