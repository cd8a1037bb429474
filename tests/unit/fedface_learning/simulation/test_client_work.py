"""Every kind of round can be simulated, and has a partial."""

from __future__ import annotations

from fedface_core.domain.round_kind import RoundKind
from fedface_learning.aggregation import PARTIALS
from fedface_learning.simulation.client_work import CLIENT_WORK


def test_each_kind_of_round_has_a_partial_and_clients_that_can_be_simulated() -> None:
    assert PARTIALS.keys() == CLIENT_WORK.keys() == set(RoundKind)
