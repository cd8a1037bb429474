"""The partials of a simulated round: one a shard, in order, with or without clipping by the median."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.round_kind import RoundKind
from fedface_learning.aggregation import PARTIALS, Partial
from fedface_learning.aggregation.median_clipping import median_bound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.formats.codec import encode_tensors
from fedface_learning.models import initial_network
from fedface_learning.simulation.shard_sums import ShardSums
from fedface_learning.strategies import ServerRound
from support.small_networks import small_plan

COHORT = [client_id(index) for index in range(5)]


def plan(**changes: Any) -> Plan:
    return small_plan(cohort={"shard_size": 2, "minimum": 1}, local_training={"steps": 1, "learning_rate": 0.01}, **changes)


def clipping_at(times: float) -> Plan:
    return plan(aggregation={"clipping": {"name": "median", "times": times}})


def images(plan: Plan) -> dict[str, Tensor]:
    draws = torch.Generator().manual_seed(0)
    shape = (2, plan.model.channels, plan.model.height, plan.model.width)
    return {client: torch.randint(256, shape, dtype=torch.uint8, generator=draws) for client in COHORT}


def sums(plan: Plan, number: int) -> ShardSums:
    network = initial_network(plan.model, plan.seed)
    rows_CD = torch.nn.functional.normalize(torch.eye(6, plan.model.embedding_size))
    before = ServerRound(plan, number, network, rows_CD, {}, {}, lambda: pytest.fail("the server looks at no photograph"))
    return ShardSums(before, LocalTrainer(network), COHORT, images(plan), encode_tensors(network.state_dict()), {}, {})


def encoded(partials: list[Partial], kind: RoundKind = RoundKind.TRAINING) -> list[bytes]:
    """Each partial as an object. One that is read from a file has its sum only when it is merged."""
    objects = []
    for partial in partials:
        merged = PARTIALS[kind]()
        merged.merge(partial)
        objects.append(b"".join(bytes(part) for part in merged.encoded_parts()))
    return objects


@pytest.mark.parametrize("number", [0, 1], ids=["enrolment", "training"])
def test_a_shard_is_a_slice_of_the_cohort_and_partials_come_in_order(number: int) -> None:
    round_sums = sums(plan(), number)
    partials = list(round_sums.in_order())
    assert [partial.folded for partial in partials] == [2, 2, 1]
    assert round_sums.failed == {}
    kind = RoundKind.of(number)
    assert encoded(list(sums(plan(), number).in_order()), kind) == encoded(partials, kind)


def test_the_median_clips_the_updates_beyond_it_and_leaves_the_other_shards_to_the_byte() -> None:
    unclipped = list(sums(clipping_at(1000.0), 1).in_order())
    norms = {client: norm for partial in unclipped for client, norm in partial.norms.items()}
    assert [*norms] == COHORT
    bound = median_bound(clipping_at(1.0), norms)
    assert bound is not None
    clipped = list(sums(clipping_at(1.0), 1).in_order())
    beyond = [{client for client, norm in partial.norms.items() if norm > bound} for partial in unclipped]
    assert [{*partial.clipped} for partial in clipped] == beyond
    equal = [before == after for before, after in zip(encoded(unclipped), encoded(clipped), strict=True)]
    assert equal == [not clients for clients in beyond]
    assert sum(map(len, beyond)) == 2


def test_in_the_end_the_network_is_the_global_model_again() -> None:
    simulated = plan()
    network = initial_network(simulated.model, simulated.seed)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    rows_CD = torch.nn.functional.normalize(torch.eye(6, simulated.model.embedding_size))
    server_round = ServerRound(simulated, 1, network, rows_CD, {}, {}, lambda: pytest.fail("no photograph"))
    trainer = LocalTrainer(network)
    list(ShardSums(server_round, trainer, COHORT, images(simulated), encode_tensors(before), {}, {}).in_order())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_a_client_whose_training_fails_is_named_and_its_shard_goes_on() -> None:
    failing = plan()
    failing = failing.model_copy(
        update={"local_training": failing.local_training.model_copy(update={"learning_rate": 1e300})}
    )
    round_sums = sums(failing, 1)
    partials = list(round_sums.in_order())
    assert {*round_sums.failed} == {*COHORT}
    assert all(round_sums.failed.values())
    assert [partial.folded for partial in partials] == [0, 0, 0]
