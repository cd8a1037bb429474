"""A plan is complete or refused, with the name of the wrong field and what would be right."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fedface_core.domain.mask_graph import Against, can_be_masked
from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.secure_aggregation import SecureAggregationPlan, sizes_of_shards


def refusal(plan: dict[str, Any]) -> tuple[str, str]:
    """The one field that a plan is refused for, and the message."""
    with pytest.raises(ValidationError) as refused:
        Plan.model_validate(plan)
    (error,) = refused.value.errors()
    return ".".join(map(str, error["loc"])), error["msg"]


def test_the_empty_plan_is_complete() -> None:
    plan = Plan.model_validate({})
    assert plan.model.architecture == "dlib-resnet"
    assert plan.data.dataset == "orl"
    assert plan.cohort.wanted(20) == plan.split.clients == 20
    assert plan.split.identities == 40


def test_a_plan_survives_its_json() -> None:
    plan = Plan.model_validate({"model": {"architecture": "mobilefacenet"}, "far": [0.5]})
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_a_plan_cannot_be_changed() -> None:
    plan = Plan()
    with pytest.raises(ValidationError, match="frozen"):
        plan.rounds = 9  # type: ignore[misc]


WRONG_VALUES: dict[str, object] = {
    "name": "",
    "model": 3,
    "model.architecture": "resnet-50",
    "model.height": 0,
    "model.width": -1,
    "model.channels": 2,
    "model.embedding_size": 0,
    "model.weights": "imagenet",
    "model.centring": "perhaps",
    "data.dataset": "lfw",
    "data.images_per_identity": 0,
    "data.images_per_client": 0,
    "data.identities": 0,
    "data.low_resolution": 3,
    "data.misalignment": 0.6,
    "data.seed": -1,
    "split.public": -1,
    "split.clients": 0,
    "split.test": 1,
    "split.seed": 1.5,
    "cohort.size": 0,
    "cohort.quorum": 0,
    "cohort.minimum": 0,
    "cohort.deadline_seconds": 0,
    "cohort.shard_size": 0,
    "cohort.attempts": 0,
    "cohort.max_update_norm": 0,
    "initialisation": "zeros",
    "local_training.steps": -1,
    "local_training.batch_size": 0,
    "local_training.learning_rate": 0,
    "local_training.momentum": 1,
    "local_training.margin": 1.1,
    "spreadout.weight": 0,
    "spreadout.margin": 1,
    "spreadout.steps": -1,
    "spreadout.learning_rate": 0,
    "rounds": 0,
    "seed": -1,
}


@pytest.mark.parametrize("field", WRONG_VALUES)
def test_a_wrong_value_is_refused_by_the_name_of_its_field(field: str) -> None:
    part, _, name = field.partition(".")
    assert refusal({part: {name: WRONG_VALUES[field]} if name else WRONG_VALUES[field]})[0] == field


def test_the_wrong_one_of_several_rates_is_named() -> None:
    assert refusal({"far": [0.1, 1.0]})[0] == "far.1"
    assert refusal({"far": [0.0, 0.1]})[0] == "far.0"


@pytest.mark.parametrize(
    "field", ["colour", "model.depth", "data.path", "split.train", "cohort.timeout", "local_training.lr", "spreadout.nu"]
)
def test_an_unknown_field_is_refused_by_name(field: str) -> None:
    part, _, name = field.partition(".")
    assert refusal({part: {name: 1} if name else 1}) == (field, "Extra inputs are not permitted")


CONTRADICTIONS: list[tuple[dict[str, Any], str]] = [
    (
        {"data": {"dataset": "synthetic", "identities": 39}},
        "^Value error, data.identities is 39, but the split needs 40$",
    ),
    ({"cohort": {"size": 21}}, "cohort.size is 21, but split.clients is only 20"),
    ({"cohort": {"size": 5, "quorum": 6}}, "cohort.quorum is 6, but only 5 clients are invited"),
    ({"cohort": {"quorum": 21}}, "cohort.quorum is 21, but only 20 clients"),
    ({"cohort": {"quorum": 4, "minimum": 5}}, "cohort.minimum is 5, more than the quorum 4"),
    ({"cohort": {"minimum": 21}}, "cohort.minimum is 21, more than the quorum 20"),
    ({"cohort": {"quorum": 2}}, "a round would close with 2 updates, fewer than the 3 that a model is made of at least"),
    ({"cohort": {"size": 1}}, "to allow it, set cohort.minimum to 1$"),
]


@pytest.mark.parametrize(("plan", "message"), CONTRADICTIONS)
def test_parts_that_contradict_each_other_are_named(plan: dict[str, Any], message: str) -> None:
    field, refused_message = refusal(plan)
    assert field == ""
    assert re.search(message, refused_message)


@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 50), st.integers(1, 50))
def test_a_plan_is_accepted_exactly_if_minimum_quorum_size_and_clients_are_in_order(
    minimum: int, quorum: int, size: int, clients: int
) -> None:
    plan = {"split": {"clients": clients}, "cohort": {"minimum": minimum, "quorum": quorum, "size": size}}
    if minimum <= quorum <= size <= clients:
        assert Plan.model_validate(plan).cohort.wanted(clients) == size
    else:
        refusal(plan)


UNBOUNDED = [
    "cohort.max_update_norm",
    "cohort.deadline_seconds",
    "local_training.learning_rate",
    "spreadout.weight",
    "stop.wall_clock_seconds",
    "aggregation.staleness_exponent",
]


@pytest.mark.parametrize("field", UNBOUNDED)
@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_what_json_cannot_write_is_refused(field: str, value: float) -> None:
    """JSON would store it as null, and the run could never be read again."""
    part, _, name = field.partition(".")
    assert refusal({part: {name: value}})[0] == field


@pytest.mark.parametrize(("part", "name", "value"), [("cohort", "deadline_seconds", 1e12), ("split", "clients", 1_000_001)])
def test_what_no_date_or_id_has_room_for_is_refused(part: str, name: str, value: float) -> None:
    assert refusal({part: {name: value}})[0] == f"{part}.{name}"


MASKED: dict[str, Any] = {
    "strategy": "gaussian-negatives",
    "model": {"centring": False},
    "data": {"dataset": "synthetic"},
    "split": {"clients": 200, "test": 2},
    "secure_aggregation": {},
}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"strategy": "fedface"}, "strategy: 'fedface' uploads more than sums; take 'gaussian-negatives'"),
        (
            {"aggregation": {"clipping": "median"}},
            "aggregation.clipping acts on single updates, and only their sum is",
        ),
        ({"update_encoding": {"name": "float16"}}, "update_encoding: float16 encodes single updates; take 'float32'"),
        ({"cohort": {"shard_size": 15}}, "cohort.shard_size is 15; take 16 to 256"),
        ({"cohort": {"shard_size": 257}}, "cohort.shard_size is 257; take 16 to 256"),
        ({"cohort": {"size": 15}}, "15 clients are invited to a round; their updates hide each other from 16 clients on"),
        (
            {"cohort": {"size": 60, "quorum": 40}},
            "secure_aggregation.dropout is 0.3, and a round of 60 clients closes with",
        ),
        ({"secure_aggregation": {"minimum": 25}}, "of a shard of 34 clients only 23 are sure to stay: lower it or"),
        (
            {"secure_aggregation": {"against": "lying", "dropout": 0.5}},
            "a shard of 32 clients of which 7 may collude and 16 may drop out cannot be masked and unm",
        ),
    ],
)
def test_updates_that_would_not_be_hidden_or_summed_are_not_masked(changes: dict[str, Any], reason: str) -> None:
    assert Plan.model_validate(MASKED).secure_aggregation is not None
    assert "secure_aggregation" not in Plan().model_dump(), "older services read such a plan"
    _, message = refusal(MASKED | changes)
    assert "secure_aggregation" in message
    assert reason in message


@given(st.integers(16, 2000), st.integers(16, 256), st.sampled_from(["curious", "lying"]))
def test_no_masked_shard_is_small_and_all_have_a_graph(clients: int, wanted: int, against: Against) -> None:
    masks = SecureAggregationPlan(against=against, corrupt=0.2, dropout=0.25)
    sizes = sizes_of_shards(clients, masks.shard_size_for(clients, wanted))
    assert sizes[0] >= 16
    assert sizes[-1] >= min(wanted, clients)
    assert all(can_be_masked(size, 0.2, 0.25, against) for size in sizes)


@pytest.mark.parametrize(
    ("cohort", "clients", "size"),
    [({}, 10, 32), ({}, 1000, 32), ({}, 1100, 33), ({}, 100_000, 316), ({"shard_size": 5}, 100_000, 5)],
)
def test_shards_grow_with_the_square_root_of_the_cohort(cohort: dict[str, Any], clients: int, size: int) -> None:
    assert Plan.model_validate({"cohort": cohort}).shard_size_for(clients) == size


def test_masked_shards_are_no_larger_in_large_cohorts() -> None:
    plan = Plan.model_validate(MASKED)
    assert plan.cohort.shard_size is None
    assert plan.shard_size_for(10_000) < 64


def test_shards_that_no_size_would_mask_are_as_they_are_wanted() -> None:
    assert SecureAggregationPlan().shard_size_for(15, 32) == 32
    assert SecureAggregationPlan(corrupt=0.7).shard_size_for(100, 16) == 16


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"aggregation": {"mode": "asynchronous"}, "cohort": {"size": 6, "quorum": 3}}, "aggregation.mode is asynchronous"),
        ({"aggregation": {"clipping": "median"}}, "aggregation.clipping acts on single updates"),
        ({"update_encoding": "int8"}, "update_encoding: int8 encodes single updates"),
        (
            {"strategy": "gaussian-negatives", "model": {"centring": False}},
            "strategy: with 'gaussian-negatives' each client",
        ),
        ({"strategy": {"name": "centralised"}}, "strategy: 'centralised' uploads nothing"),
        ({"devices": {"profile": "phones"}}, "devices: a simulated device delivers by itself"),
    ],
)
def test_updates_that_must_be_single_are_not_combined(changes: dict[str, Any], reason: str) -> None:
    assert "delivery" not in Plan.model_validate(changes).model_dump(), "older services read such a plan"
    assert Plan.model_validate({"delivery": "combined"}).model_dump()["delivery"] == "combined"
    _, message = refusal(changes | {"delivery": "combined"})
    assert f"delivery: the updates of this plan cannot be combined: {reason}" in message
