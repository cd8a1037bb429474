"""A plan is complete or refused, with the name of the wrong field and what would be right."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fedface_core.domain.plan import Plan

PUBLISHED = {
    "spherenet-64": (112, 96, 3, 512, (64, 128, 256, 512), "random", False),
    "spherenet-4": (112, 96, 3, 512, (64, 128, 256, 512), "random", False),
    "mobilefacenet": (112, 112, 3, 128, (64, 128, 128), "random", False),
    "dlib-resnet": (150, 150, 3, 128, (32, 64, 128, 256), "published", True),
}


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


@pytest.mark.parametrize("architecture", PUBLISHED)
def test_an_architecture_that_is_only_named_has_its_published_shape(architecture: str) -> None:
    model = Plan.model_validate({"model": {"architecture": architecture}}).model
    shape = (model.height, model.width, model.channels, model.embedding_size, model.widths)
    assert (*shape, model.weights, model.centring) == PUBLISHED[architecture]


def test_a_plan_keeps_what_it_was_given() -> None:
    given_model = {"architecture": "spherenet-10", "height": 32, "channels": 1, "widths": [1, 2, 3, 4], "centring": True}
    model = Plan.model_validate({"model": given_model}).model
    assert (model.height, model.width, model.channels, model.widths) == (32, 96, 1, (1, 2, 3, 4))
    assert model.centring


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


def test_the_wrong_one_of_several_widths_is_named() -> None:
    assert refusal({"model": {"architecture": "spherenet-4", "widths": [8, 8, 0, 8]}})[0] == "model.widths.2"


@pytest.mark.parametrize(
    "field", ["colour", "model.depth", "data.path", "split.train", "cohort.timeout", "local_training.lr", "spreadout.nu"]
)
def test_an_unknown_field_is_refused_by_name(field: str) -> None:
    part, _, name = field.partition(".")
    assert refusal({part: {name: 1} if name else 1}) == (field, "Extra inputs are not permitted")


SHAPES_THAT_CANNOT_BE: list[tuple[dict[str, Any], str, str]] = [
    ({"model": {"height": 112}}, "model", "dlib-resnet is fixed at .*; leave out height"),
    ({"model": {"widths": [1], "channels": 1}}, "model", "leave out channels, widths"),
    ({"model": {"architecture": "spherenet-20", "widths": [8, 8]}}, "model", "widths needs four numbers, not 2"),
    ({"model": {"architecture": "mobilefacenet", "widths": [8, 8]}}, "model", "takes three widths, not 2"),
    (
        {"model": {"architecture": "spherenet-20", "weights": "published"}},
        "model",
        "only dlib-resnet has published weights; use 'random' or the SHA-256",
    ),
    (
        {"model": {"architecture": "mobilefacenet", "height": 100}},
        "model",
        "mobilefacenet halves images four times, so 16 must divide 100×112",
    ),
    ({"data": {"dataset": "folder"}}, "data", "give `folder` \\(a path\\) with dataset 'folder'"),
    ({"data": {"dataset": "orl", "folder": "/photographs"}}, "data", "and with no other data set"),
    ({"data": {"dataset": "synthetic", "misalignment": 0.1}}, "data", "leave `misalignment` out with 'synthetic'"),
    ({"data": {"dataset": "orl", "identities": 40}}, "data", "for dataset 'synthetic'; 'orl' has the people that it has"),
    (
        {"data": {"dataset": "synthetic", "identities": 39}},
        "",
        "^Value error, data.identities is 39, but the split needs 40$",
    ),
    ({"cohort": {"size": 21}}, "", "cohort.size is 21, but split.clients is only 20"),
    ({"cohort": {"size": 5, "quorum": 6}}, "", "cohort.quorum is 6, but only 5 clients are invited"),
    ({"cohort": {"quorum": 21}}, "", "cohort.quorum is 21, but only 20 clients"),
    ({"cohort": {"quorum": 4, "minimum": 5}}, "", "cohort.minimum is 5, more than the quorum 4"),
    ({"cohort": {"minimum": 21}}, "", "cohort.minimum is 21, more than the quorum 20"),
]


@pytest.mark.parametrize(("plan", "field", "message"), SHAPES_THAT_CANNOT_BE)
def test_fields_that_contradict_each_other_are_named(plan: dict[str, Any], field: str, message: str) -> None:
    refused_field, refused_message = refusal(plan)
    assert refused_field == field
    assert re.search(message, refused_message)


@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 50), st.integers(1, 50))
def test_a_plan_is_accepted_exactly_where_minimum_quorum_size_and_clients_are_in_order(
    minimum: int, quorum: int, size: int, clients: int
) -> None:
    plan = {"split": {"clients": clients}, "cohort": {"minimum": minimum, "quorum": quorum, "size": size}}
    if minimum <= quorum <= size <= clients:
        assert Plan.model_validate(plan).cohort.wanted(clients) == size
    else:
        refusal(plan)


INFINITE = ["cohort.max_update_norm", "cohort.deadline_seconds", "local_training.learning_rate", "spreadout.weight"]
INFINITE += ["stop.wall_clock_seconds", "aggregation.staleness_exponent"]


@pytest.mark.parametrize("field", INFINITE)
@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_what_json_cannot_write_is_refused(field: str, value: float) -> None:
    """Stored, it would come back as null, and the run could never be read again."""
    part, _, name = field.partition(".")
    assert refusal({part: {name: value}})[0] == field


@pytest.mark.parametrize(("part", "name", "value"), [("cohort", "deadline_seconds", 1e12), ("split", "clients", 1_000_001)])
def test_what_no_date_or_id_has_room_for_is_refused(part: str, name: str, value: float) -> None:
    assert refusal({part: {name: value}})[0] == f"{part}.{name}"
