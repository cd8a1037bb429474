"""A plan that no machine can carry out is refused when its run is created, by the figure, its fields and its setting."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from fedface_core.domain.budget import DEFAULT_BUDGET, Budget, figures, images_of_a_client, require_within
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.network_size import network_size
from fedface_core.domain.plan import DataPlan, ModelPlan, Plan
from fedface_core.domain.plan.model import Architecture
from fedface_core.runtime.settings import ControlSettings

SMALL = {"architecture": "spherenet-4", "height": 8, "width": 8, "channels": 1, "embedding_size": 4, "widths": [2, 2, 2, 4]}
FOLDER = {"dataset": "folder", "folder": "faces"}
NEGATIVES = {"strategy": "public-negatives", "split": {"public": 100}}
TOO_LARGE: dict[str, tuple[dict[str, Any], str, str]] = {
    "widths": ({"model": SMALL | {"widths": [65_536] * 4}}, "the network has 1.16e+11 parameters", "PARAMETERS"),
    "embedding size": ({"model": SMALL | {"widths": [2, 2, 2, 65_536], "embedding_size": 65_536}}, "has", "PARAMETERS"),
    "images": ({"model": SMALL | {"height": 16_384, "width": 16_384}}, "a client's step holds 1.26e+10", "NUMBERS_HELD"),
    "a large input": (
        {"model": {"architecture": "mobilefacenet", "height": 16_384, "width": 16_384}},
        "a client's step holds",
        "NUMBERS_HELD",
    ),
    "clients": ({"split": {"clients": 1_000_000}, "model": SMALL | {"embedding_size": 512}}, "5.12e+08", "CLASS_NUMBERS"),
    "steps": ({"local_training": {"steps": 1_000_000}}, "a client's round takes 2", "MULTIPLICATIONS"),
    "spreadout": ({"spreadout": {"steps": 1_000_000}}, "spreadout takes 2e+15", "MULTIPLICATIONS"),
    "many rows": ({"split": {"clients": 1_000_000}}, "spreadout takes 8.4e+13", ""),
    "own steps": (
        NEGATIVES | {"strategy": {"name": "public-negatives", "public_steps": 1_000_000}},
        "the public photographs take",
        "MULTIPLICATIONS",
    ),
    "public steps": (NEGATIVES | {"local_training": {"steps": 10_000}}, "the public photographs take", "MULTIPLICATIONS"),
    "public rows": (
        NEGATIVES | {"split": {"public": 10_000_000}, "model": SMALL | {"embedding_size": 64}},
        "of the public identities",
        "CLASS_NUMBERS",
    ),
    "class sums": (
        {"strategy": "gaussian-negatives", "model": SMALL | {"embedding_size": 20_000}},
        "the class sums have 4e+08 numbers",
        "CLASS_NUMBERS",
    ),
    "test identities": ({"split": {"test": 10_000_000}}, "an evaluation takes 1.2e+17", "MULTIPLICATIONS"),
    "pairs": (
        {"data": {"dataset": "synthetic", "images_per_identity": 1_000_000}, "split": {"test": 2}},
        "an evaluation holds 1e+12",
        "NUMBERS_HELD",
    ),
    "images of a client": (
        {"data": FOLDER | {"images_per_client": 1_000_000}, "model": SMALL | {"height": 512, "width": 512}},
        "a client's step holds",
        "NUMBERS_HELD",
    ),
}


def refusal(plan: Plan, budget: Budget = DEFAULT_BUDGET) -> str:
    with pytest.raises(InvalidInputError) as refused:
        require_within(plan, budget)
    return str(refused.value)


@pytest.mark.parametrize(("changes", "says", "setting"), TOO_LARGE.values(), ids=TOO_LARGE)
def test_what_is_too_large_is_named(changes: dict[str, Any], says: str, setting: str) -> None:
    # With the default norm, sums of so many or so large updates would be too coarse.
    plan = Plan.model_validate({"model": SMALL, "data": FOLDER, "cohort": {"max_update_norm": 1.0}} | changes)
    budget = DEFAULT_BUDGET if setting else Budget(multiplications=10**13)
    said = refusal(plan, budget)
    assert says in said
    assert f"or raise FEDFACE_PLAN_{setting}" in said


def test_a_refusal_says_all() -> None:
    said = refusal(Plan.model_validate({"model": SMALL, "data": FOLDER, "local_training": {"steps": 10**6}}))
    assert said == (
        "this run would cost too much: a client's round takes 2e+15 multiplications, more than the 1e+15 that control "
        "allows; lower local_training.steps, local_training.batch_size, data.images_per_client, data.images_per_identity, "
        "model.widths, model.height, model.width, or raise FEDFACE_PLAN_MULTIPLICATIONS of control"
    )


def test_an_anchor_is_a_third_more_work_for_a_client() -> None:
    works = []
    for anchor in (0.0, 1.0):
        strategy = {"name": "gaussian-negatives", "anchor": anchor}
        model = {"architecture": "iresnet-50", "centring": False}
        plan = Plan.model_validate({"strategy": strategy, "model": model, "data": FOLDER, "local_training": {"steps": 100}})
        works += [figure.value for figure in figures(plan) if figure.says.startswith("a client's round")]
    assert works[1] == pytest.approx(4 / 3 * works[0], rel=0.01)


@pytest.mark.parametrize(
    ("strategy", "public"),
    [({"name": "gaussian-negatives", "contrast": "clients"}, 5), ("gaussian-negatives", 0)],
    ids=str,
)
def test_a_run_that_uses_nobody_public_has_no_figure_of_public_photographs(strategy: Any, public: int) -> None:
    """Even if the network is large and identities have many images."""
    data = FOLDER | {"images_per_client": 5, "images_per_identity": 500}
    model = {"architecture": "iresnet-100", "centring": False}
    plan = Plan.model_validate({"strategy": strategy, "split": {"public": public}, "data": data, "model": model})
    assert not [figure.says for figure in figures(plan) if "public" in figure.says]


def test_each_limit_is_a_setting_and_each_figure_has_a_limit() -> None:
    plan = Plan.model_validate(NEGATIVES)
    limits = {figure.limit for figure in figures(plan)}
    assert limits == Budget.__dataclass_fields__.keys()
    assert {f"plan_{limit}" for limit in limits} <= ControlSettings.model_fields.keys()
    for limit in limits:
        require_within(plan, DEFAULT_BUDGET)
        assert f"FEDFACE_PLAN_{limit.upper()}" in refusal(plan, Budget(**{limit: 1}))


@pytest.mark.parametrize("architecture", get_args(Architecture))
def test_published_networks_have_room(architecture: str) -> None:
    """A thousand clients with a hundred photographs each, in batches of 64, and a thousand test identities."""
    plan = Plan.model_validate(
        {
            "model": {"architecture": architecture},
            "data": FOLDER | {"images_per_client": 100},
            "split": {"public": 1000, "clients": 1000, "test": 1000},
            "local_training": {"steps": 100, "batch_size": 64},
        }
    )
    require_within(plan, DEFAULT_BUDGET)


def test_ten_thousand_clients_have_room() -> None:
    require_within(Plan.model_validate({"data": FOLDER, "split": {"clients": 10_000}}), DEFAULT_BUDGET)


def test_a_step_is_a_forward_pass_and_twice_as_much_backward() -> None:
    model = ModelPlan.model_validate({"architecture": "iresnet-50"})
    local = {"steps": 5, "batch_size": 8, "losses": "seen"}
    plan = Plan.model_validate({"model": model, "data": FOLDER, "local_training": local})
    [work] = [figure.value for figure in figures(plan) if "client's round" in figure.says]
    assert work == (5 * 3 * 8 + 20) * network_size(model).multiplications


@pytest.mark.parametrize(
    ("data", "images"),
    [
        (FOLDER, 20),
        (FOLDER | {"images_per_client": 500}, 500),
        (FOLDER | {"images_per_identity": 7}, 7),
        ({"dataset": "orl", "images_per_identity": 500}, 10),
        ({"dataset": "synthetic"}, 12),
        ({"dataset": "synthetic", "images_per_identity": 500, "images_per_client": 50}, 50),
    ],
)
def test_how_many_images_a_client_has(data: dict[str, Any], images: int) -> None:
    assert images_of_a_client(DataPlan.model_validate(data)) == images


def test_a_batch_of_public_photographs_makes_the_aggregators_steps_cheaper() -> None:
    steps = {"name": "public-negatives", "public_steps": 100_000}
    whole, part, small = (
        Plan.model_validate(
            {
                "model": SMALL,
                "data": FOLDER,
                "split": {"public": 500},
                "strategy": steps | ({"public_batch": batch} if batch else {}),
            }
        )
        for batch in (None, 10_000, 100)
    )
    assert [figure.value for figure in figures(whole)] == [figure.value for figure in figures(part)]
    assert "the public photographs take 1e+17" in refusal(whole)
    require_within(small, DEFAULT_BUDGET)
