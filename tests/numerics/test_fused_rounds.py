"""Fused rounds against the faithful way: equal models within 1e-5, for every strategy that allows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from fedface_core.domain.plan import Plan
from fedface_learning.data import FaceDataset
from fedface_learning.formats.class_embeddings import decode_class_embeddings
from fedface_learning.formats.codec import decode_tensors
from fedface_learning.models import initial_network
from fedface_learning.objectives.class_sums import ClassSums
from fedface_learning.simulation import fused_rounds
from fedface_learning.simulation.federated_rounds import federated_rounds
from fedface_learning.simulation.simulation_data import SimulationData

PlanOf = Callable[..., Plan]
STRATEGIES: list[Any] = [
    "fedface",
    "fedavg",
    {"name": "fedprox", "proximal": 0.5},
    {"name": "public-negatives", "embedded_by": "base"},
    "gaussian-negatives",
    {"name": "gaussian-negatives", "contrast": "clients", "anchor": 5.0},
]


def plan_of(tiny_plan: PlanOf, **changes: Any) -> Plan:
    local = {"steps": 1, "learning_rate": 0.01, "losses": "seen"} | changes.pop("local_training", {})
    split = {"public": 4, "clients": 8, "test": 8}
    return tiny_plan(**{"split": split, "rounds": 3, "local_training": local} | changes)


def assert_fused_is_faithful(plan: Plan, faces: FaceDataset, each_further_round: float = 0.0) -> None:
    """All models within 1e-5, and ``each_further_round`` more for each round before, which ends in another model, too."""
    faithful, fused = (
        list(federated_rounds(plan, initial_network(plan.model, 0), SimulationData.of(plan, faces), fused=fused))
        for fused in (False, True)
    )
    assert len(faithful) == len(fused) == plan.rounds + 1
    for number, ((expected, _), (found, _)) in enumerate(zip(faithful, fused, strict=True)):
        model, _ = decode_tensors(b"".join(found.model))
        for name, tensor in decode_tensors(b"".join(expected.model))[0].items():
            torch.testing.assert_close(model[name], tensor, rtol=0, atol=1e-5 + max(0, number - 1) * each_further_round)
        if expected.class_embeddings:
            rows_CD, found_CD = (decode_class_embeddings(each.class_embeddings, 16) for each in (expected, found))
            # A class embedding that is made anew is on a grid of 2⁻¹⁵, so a rounding may put it on the next point.
            torch.testing.assert_close(found_CD, rows_CD, rtol=0, atol=2**-15 + 1e-5)
        if plan.only_sums:
            assert expected.guidance is not None
            assert found.guidance is not None
            sums, others = (ClassSums.read(decode_tensors(each.guidance or b"")[0], 16) for each in (expected, found))
            assert sums.clients == others.clients == 8
            # Rounding may move a number of a class embedding to the next multiple of 2^-15.
            torch.testing.assert_close(others.second_DD, sums.second_DD, rtol=0, atol=1e-3)
        one, other = (each.aggregation for each in (expected, found))
        assert (one.folded, one.images, one.refused) == (other.folded, other.images, other.refused)
        assert other.uploaded_bytes == pytest.approx(one.uploaded_bytes, rel=0.05)
        losses = [(each.loss_before or 0.0, each.loss_after or 0.0) for each in (one, other)]
        assert losses[1] == pytest.approx(losses[0], rel=1e-4, abs=1e-6)
    start = decode_tensors(b"".join(faithful[0][0].model))[0]
    last = decode_tensors(b"".join(faithful[-1][0].model))[0]
    assert max(float((last[name] - start[name]).abs().max()) for name in start) > 1e-3, "the model has moved by far more"


@pytest.mark.parametrize("optimiser", ["average", "momentum", {"name": "adam", "learning_rate": 0.01}], ids=str)
@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
def test_a_fused_round_is_a_round(tiny_plan: PlanOf, tiny_faces: FaceDataset, strategy: Any, optimiser: Any) -> None:
    assert_fused_is_faithful(plan_of(tiny_plan, strategy=strategy, aggregation={"optimiser": optimiser}), tiny_faces)


RIVALS: list[Any] = [
    {"name": "fedaws", "class_learning_rate": 0.3},
    "feduv",
    {"name": "fedfv", "embedded_by": "base"},
    {"name": "fedfr", "embedded_by": "base", "hard_negatives": 5, "scale": 10.0},
]


@pytest.mark.parametrize("strategy", RIVALS, ids=lambda each: each if isinstance(each, str) else each["name"])
def test_a_fused_round_of_a_rival_is_a_round(tiny_plan: PlanOf, tiny_faces: FaceDataset, strategy: Any) -> None:
    assert_fused_is_faithful(plan_of(tiny_plan, strategy=strategy, aggregation={"optimiser": "momentum"}), tiny_faces)


@pytest.mark.parametrize(
    "local",
    [
        {"flip": True, "shift": 2},
        {"batch_size": 4},
        {"schedule": "cosine", "final_learning_rate": 0.1, "warmup_rounds": 1},
    ],
    ids=str,
)
@pytest.mark.parametrize("strategy", ["fedface", "gaussian-negatives"])
def test_every_way_to_make_one_step_can_be_fused(
    tiny_plan: PlanOf, tiny_faces: FaceDataset, strategy: str, local: dict[str, Any]
) -> None:
    assert_fused_is_faithful(plan_of(tiny_plan, strategy=strategy, local_training=local), tiny_faces)


@pytest.mark.parametrize(("rate", "each_further_round"), [(1e-3, 1e-5), (1.0, 0.0)])
def test_a_fused_round_of_the_plan_that_won_is_a_round(
    tiny_plan: PlanOf, tiny_faces: FaceDataset, rate: float, each_further_round: float
) -> None:
    """Few clients in a round, server SGD whose rate follows one cycle, strong augmentation, public photographs, as in
    docs/plans/rendered_faces.toml.

    SGD divides a change by the clients' rate, and with the change its rounding, which so grows from round to round. At a
    rate of 1 there is nothing to see of it.
    """
    plan = plan_of(
        tiny_plan,
        strategy={"name": "gaussian-negatives", "public_batch": 5, "guidance_every": 2},
        aggregation={"optimiser": {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9, "weight_decay": 2e-3}},
        cohort={"size": 3, "shard_size": 2},
        rounds=6,
        local_training={"learning_rate": rate, "schedule": "one-cycle", "augmentation": "strong"},
    )
    assert_fused_is_faithful(plan, tiny_faces, each_further_round)


def test_the_smallest_epsilon_that_is_allowed_keeps_rounding_from_deciding_steps(
    tiny_plan: PlanOf, tiny_faces: FaceDataset
) -> None:
    adam = {"name": "adam", "learning_rate": 4e-3, "epsilon": 2.4e-5}
    local = {"learning_rate": 1.0}
    plan = plan_of(tiny_plan, strategy="gaussian-negatives", aggregation={"optimiser": adam}, local_training=local)
    assert_fused_is_faithful(plan, tiny_faces)


def test_many_images_are_computed_in_parts(
    tiny_plan: PlanOf, tiny_faces: FaceDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fused_rounds, "IMAGES_AT_ONCE", 13)  # two clients of six images
    assert_fused_is_faithful(plan_of(tiny_plan, strategy="gaussian-negatives"), tiny_faces)
