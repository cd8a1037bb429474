"""What both kinds of round have, and what reducing one holds in memory."""

from __future__ import annotations

import weakref
from collections.abc import Iterator

import pytest
import torch

from fedface_core.domain.errors import TooFewUpdatesError
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.update import AcceptedUpdate
from fedface_learning.aggregation import PARTIALS, EnrolmentPartial, Partial, StartingPoint, TrainingPartial
from fedface_learning.aggregation.reduce import reduce_partials
from fedface_learning.formats.stored_tensors import StoredTensors
from fedface_learning.models import initial_network
from fedface_learning.simulation.client_work import CLIENT_WORK
from support.server_rounds import server_round, stored_again

NETWORK = {
    "architecture": "spherenet-4",
    "height": 32,
    "width": 32,
    "channels": 1,
    "embedding_size": 4,
    "widths": [2, 2, 2, 4],
}
PLAN = Plan.model_validate({"model": NETWORK, "split": {"clients": 6, "test": 2}, "spreadout": {"steps": 0}})


def not_to_be_opened() -> StoredTensors:
    raise AssertionError("it opened the model")


def test_each_kind_of_round_has_a_partial_and_clients_that_can_be_simulated() -> None:
    assert PARTIALS.keys() == CLIENT_WORK.keys() == set(RoundKind)


@pytest.mark.parametrize("started_from", [None, "b" * 64])
def test_an_update_of_another_model_is_refused_by_what_the_ledger_knows(started_from: str | None) -> None:
    accepted = AcceptedUpdate(sha256="c" * 64, size=100, images=1, started_from=started_from)
    start, partial = StartingPoint(PLAN, "a" * 64, not_to_be_opened), TrainingPartial()
    assert not partial.admits("client-000003", accepted, start)
    assert partial.refused == {"client-000003": "wrong_model"}
    right = AcceptedUpdate(sha256="c" * 64, size=100, images=1, started_from="a" * 64)
    assert partial.admits("client-000004", right, start)
    assert partial.refused.keys() == {"client-000003"}


@pytest.mark.parametrize("kind", RoundKind)
def test_a_round_of_which_nothing_was_folded_comes_to_nothing(kind: RoundKind) -> None:
    refused = PARTIALS[kind]()
    refused.refused["client-000002"] = "changed"
    network = initial_network(PLAN.model, 0)
    before = server_round(PLAN, network, None if kind is RoundKind.ENROLMENT else torch.eye(4))
    with pytest.raises(TooFewUpdatesError, match=r"0 updates could be used.*client-000002 \(changed\)"):
        reduce_partials([refused, PARTIALS[kind]()], before)


def test_partials_are_merged_one_at_a_time() -> None:
    alive = most = 0

    def gone() -> None:
        nonlocal alive
        alive -= 1

    def of_each_client() -> Iterator[Partial]:
        nonlocal alive, most
        for index in range(6):
            whole = EnrolmentPartial({client_id(index): torch.eye(6)[index, :4]}, {client_id(index): 1 + index})
            partial = stored_again(whole)
            weakref.finalize(partial, gone)
            alive += 1
            most = max(most, alive)
            yield partial

    reduced = reduce_partials(of_each_client(), server_round(PLAN, initial_network(PLAN.model, 0)))
    assert (reduced.aggregation.folded, reduced.aggregation.images) == (6, 21)
    assert (most, alive) == (2, 0)
