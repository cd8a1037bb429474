"""The end of a round's aggregation: when there is none, and how many partials it holds in memory."""

from __future__ import annotations

import weakref
from collections.abc import Iterator

import pytest
import torch

from fedface_core.domain.errors import TooFewUpdatesError
from fedface_core.domain.ids import client_id
from fedface_core.domain.round_kind import RoundKind
from fedface_learning.aggregation import PARTIALS, EnrolmentPartial, Partial
from fedface_learning.aggregation.reduce import reduce_partials
from fedface_learning.models import initial_network
from support.server_rounds import server_round, stored_again
from support.small_networks import small_plan

PLAN = small_plan(spreadout={"steps": 0})


@pytest.mark.parametrize("kind", RoundKind)
def test_a_round_of_which_nothing_was_folded_has_no_result(kind: RoundKind) -> None:
    refused = PARTIALS[kind]()
    refused.refused["client-000002"] = "changed"
    network = initial_network(PLAN.model, 0)
    before = server_round(PLAN, network, None if kind is RoundKind.ENROLMENT else torch.eye(4))
    with pytest.raises(TooFewUpdatesError, match=r"0 updates could be used.*client-000002 \(changed\)"):
        reduce_partials([refused, PARTIALS[kind]()], before)


def test_partials_are_merged_one_at_a_time() -> None:
    alive = 0
    most = 0

    def count_end() -> None:
        nonlocal alive
        alive -= 1

    def partial_of_each_client() -> Iterator[Partial]:
        nonlocal alive, most
        for index in range(6):
            whole = EnrolmentPartial({client_id(index): torch.eye(6)[index, :4]}, {client_id(index): 1 + index})
            partial = stored_again(whole)
            weakref.finalize(partial, count_end)
            alive += 1
            most = max(most, alive)
            yield partial

    reduced = reduce_partials(partial_of_each_client(), server_round(PLAN, initial_network(PLAN.model, 0)))
    assert (reduced.aggregation.folded, reduced.aggregation.images) == (6, 21)
    assert (most, alive) == (2, 0)
