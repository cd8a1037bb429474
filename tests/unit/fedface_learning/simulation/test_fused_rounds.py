"""Which plans have rounds that can be fused, and what stops a fused round."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import Plan
from fedface_learning.aggregation.exact_sum import SUM
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.models import initial_network
from fedface_learning.simulation.client_work import RoundInputs
from fedface_learning.simulation.fused_rounds import fused_partial, require_fusable
from fedface_learning.strategies import NOTHING
from support.small_networks import small_plan


def plan_of(**changes: Any) -> Plan:
    local = {"steps": 1, "losses": "seen"} | changes.pop("local_training", {})
    return small_plan(local_training=local, **changes)


PUBLIC = {"clients": 6, "test": 2, "public": 2}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"strategy": "fedavg"},
        {"strategy": "fedprox"},
        {"strategy": "fedaws"},
        {"strategy": "feduv"},
        {"strategy": {"name": "public-negatives", "embedded_by": "base"}, "split": PUBLIC},
        {"strategy": "gaussian-negatives"},
        {"aggregation": {"optimiser": "adam"}, "local_training": {"flip": True, "shift": 1, "batch_size": 2}},
    ],
)
def test_rounds_of_one_step_can_be_fused(changes: dict[str, Any]) -> None:
    require_fusable(plan_of(**changes))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"local_training": {"steps": 2}}, "local_training.steps is 2, and must be 1"),
        ({"local_training": {"losses": "measured"}}, "local_training.losses: .*; set it to 'seen'"),
        ({"local_training": {"vectorised_clients": 2}}, "local_training.vectorised_clients"),
        ({"strategy": {"name": "fedfv", "group_size": 3}}, "strategy.embedded_by: .*; set it to 'base'"),
        ({"strategy": "public-negatives", "split": PUBLIC}, "strategy.embedded_by: .*; set it to 'base'"),
        ({"strategy": {"name": "gaussian-negatives", "embedded_by": "trained"}}, "strategy.embedded_by"),
        ({"strategy": "centralised"}, "'centralised' has no federated rounds"),
        ({"strategy": "local-only"}, "'local-only' has no federated rounds"),
        ({"model": {"centring": True}}, "model.centring: the centre"),
        (
            {"model": {"architecture": "mobilefacenet", "height": 16, "width": 16, "widths": [4, 8, 8]}},
            "mobilefacenet normalises each client's batch",
        ),
        (
            {"aggregation": {"optimiser": {"name": "adam", "learning_rate": 4e-3, "epsilon": 1e-8}}},
            "aggregation.optimiser.epsilon is 1e-08, .*it must be 2.6e-05 or more",
        ),
        ({"aggregation": {"clipping": "median"}}, "aggregation.clipping acts on single updates"),
        ({"aggregation": {"mode": "asynchronous"}, "cohort": {"size": 6, "quorum": 3}}, "aggregation.mode is asynchronous"),
        ({"update_encoding": "int8"}, "update_encoding: int8 loses something"),
        (
            {"update_encoding": "top-k", "local_training": {"steps": 3}},
            "local_training.steps is 3.*; update_encoding: top-k",
        ),
    ],
)
def test_other_rounds_cannot_be_fused_and_each_reason_is_named(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInputError, match=f"the rounds of this plan cannot be fused: .*{reason}"):
        require_fusable(plan_of(**changes))


@pytest.fixture
def inputs_of() -> Callable[..., RoundInputs]:
    def inputs(plan: Plan) -> RoundInputs:
        trainer = LocalTrainer(initial_network(plan.model, 0))
        rows_CD = torch.eye(4)[[0, 1, 2, 3, 0, 1]]
        return RoundInputs(plan, 1, trainer, "a" * 64, rows_CD, NOTHING, (), NOTHING)

    return inputs


def images(plan: Plan, clients: int = 6) -> dict[str, torch.Tensor]:
    shape = (2, plan.model.channels, plan.model.height, plan.model.width)
    draws = torch.Generator().manual_seed(0)
    return {
        f"client-{index:06d}": torch.randint(0, 256, shape, generator=draws, dtype=torch.uint8) for index in range(clients)
    }


def test_the_global_model_is_left_in_the_network(inputs_of: Callable[..., RoundInputs]) -> None:
    plan = plan_of()
    inputs = inputs_of(plan)
    partial, kept = fused_partial(inputs, images(plan))
    assert (partial.folded, partial.images, kept) == (6, 12, {})
    assert all(torch.equal(tensor, inputs.trainer.global_model[name]) for name, tensor in inputs.trainer.state.items())
    assert partial.changes.tensors()[SUM].count_nonzero() > 100


def test_a_step_farther_than_an_update_may_be_ends_the_run(inputs_of: Callable[..., RoundInputs]) -> None:
    plan = plan_of(local_training={"learning_rate": 1e6}, cohort={"max_update_norm": 1.0})
    with pytest.raises(InvalidInputError, match=r"farther than cohort.max_update_norm, 1; lower local_training"):
        fused_partial(inputs_of(plan), images(plan))


def test_a_loss_that_is_not_finite_names_its_client(inputs_of: Callable[..., RoundInputs]) -> None:
    plan = plan_of()
    inputs = inputs_of(plan)
    inputs.class_embeddings_CD[3] = torch.nan
    with pytest.raises(InvalidInputError, match="the loss of client-000003 is nan in round 1"):
        fused_partial(inputs, images(plan))
