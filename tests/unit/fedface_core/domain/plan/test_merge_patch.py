"""A patched plan has the changes and what follows from them, also if it was read from JSON, which has every field."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.merge_patch import apply_merge_patch

TRACE = [{"client": "client-000000", "available": False}]

# A plan, a patch, and the plan that a user would write instead.
CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "another profile": ({}, {"devices": {"profile": "flaky"}}, {"devices": {"profile": "flaky"}}),
    "from profile to profile": (
        {"devices": {"profile": "phones"}},
        {"devices": {"profile": "ideal"}},
        {"devices": {"profile": "ideal"}},
    ),
    "null takes the default profile": ({"devices": {"profile": "flaky"}}, {"devices": {"profile": None}}, {}),
    "numbers of the user's own stay": (
        {"devices": {"profile": "phones", "dropout": 0.5, "trace": TRACE}},
        {"devices": {"profile": "flaky", "lateness": 0.0}},
        {"devices": {"profile": "flaky", "dropout": 0.5, "trace": TRACE, "lateness": 0.0}},
    ),
    "another architecture": (
        {"model": {"architecture": "dlib-resnet"}},
        {"model": {"architecture": "spherenet-4"}},
        {"model": {"architecture": "spherenet-4"}},
    ),
    "from random to published weights": (
        {"model": {"architecture": "spherenet-4"}},
        {"model": {"architecture": "dlib-resnet"}},
        {"model": {"architecture": "dlib-resnet"}},
    ),
    "null takes the default architecture": (
        {"model": {"architecture": "mobilefacenet"}},
        {"model": {"architecture": None}},
        {},
    ),
    "another augmentation takes its own parameters": (
        {"local_training": {"augmentation": {"name": "strong", "blur": 2}}},
        {"local_training": {"augmentation": {"name": "plain"}, "shift": 1}},
        {"local_training": {"shift": 1}},
    ),
    "another clipping takes its own parameters": (
        {"aggregation": {"clipping": {"name": "norm", "norm": 3.0}}},
        {"aggregation": {"clipping": {"name": "median", "times": 2.0}}},
        {"aggregation": {"clipping": {"name": "median", "times": 2.0}}},
    ),
    "from no clipping": (
        {},
        {"aggregation": {"clipping": {"name": "median", "times": 2.0}}},
        {"aggregation": {"clipping": {"name": "median", "times": 2.0}}},
    ),
    "to no clipping": (
        {"aggregation": {"clipping": {"name": "norm", "norm": 3.0}}},
        {"aggregation": {"clipping": None}},
        {},
    ),
    "the augmentation of a strategy too": (
        {"strategy": {"name": "centralised", "epochs": 3, "augmentation": "strong"}},
        {"strategy": {"augmentation": {"name": "plain"}}},
        {"strategy": {"name": "centralised", "epochs": 3}},
    ),
    "the same augmentation keeps its parameters": (
        {"local_training": {"augmentation": {"name": "strong", "blur": 2}}},
        {"local_training": {"augmentation": {"name": "strong", "shift": 1}}},
        {"local_training": {"augmentation": {"name": "strong", "blur": 2, "shift": 1}}},
    ),
    "from plain to strong": (
        {},
        {"local_training": {"augmentation": {"name": "strong"}}},
        {"local_training": {"augmentation": "strong"}},
    ),
    "another strategy takes its own parameters": (
        {"strategy": {"name": "fedprox", "proximal": 0.5}},
        {"strategy": {"name": "fedavg"}},
        {"strategy": "fedavg"},
    ),
    "a strategy starts class embeddings as it does": ({}, {"strategy": "fedaws"}, {"strategy": "fedaws"}),
    "and another one as that does": ({"strategy": "fedaws"}, {"strategy": {"name": "fedavg"}}, {"strategy": "fedavg"}),
    "a strategy without spreadout takes none": (
        {"spreadout": {"weight": 3.0, "steps": 7}},
        {"strategy": "fedavg"},
        {"strategy": "fedavg"},
    ),
    "a strategy with spreadout keeps it": (
        {"spreadout": {"weight": 3.0}},
        {"strategy": {"name": "fedaws"}},
        {"strategy": "fedaws", "spreadout": {"weight": 3.0}},
    ),
    "a strategy of one process takes nothing of an aggregator": (
        {"spreadout": {"weight": 3.0}, "aggregation": {"optimiser": "adam"}, "update_encoding": "int8"},
        {"strategy": "local-only"},
        {"strategy": "local-only"},
    ),
    "an initialisation of the user's own stays": (
        {"initialisation": "random"},
        {"strategy": "fedprox"},
        {"strategy": "fedprox", "initialisation": "random"},
    ),
    "another optimiser takes its own parameters": (
        {"aggregation": {"optimiser": {"name": "adam", "beta1": 0.5}, "staleness_exponent": 1.0}},
        {"aggregation": {"optimiser": {"name": "momentum"}}},
        {"aggregation": {"optimiser": "momentum", "staleness_exponent": 1.0}},
    ),
    "another update encoding takes its own parameters": (
        {"update_encoding": {"name": "top-k", "share": 0.5, "error_feedback": False}},
        {"update_encoding": {"name": "int8"}},
        {"update_encoding": "int8"},
    ),
    "a parameter of the same update encoding": (
        {"update_encoding": {"name": "top-k", "share": 0.5, "error_feedback": False}},
        {"update_encoding": {"share": 0.1}},
        {"update_encoding": {"name": "top-k", "share": 0.1, "error_feedback": False}},
    ),
    "a parameter of the same optimiser": (
        {"aggregation": {"optimiser": {"name": "adam", "beta1": 0.5}}},
        {"aggregation": {"optimiser": {"beta2": 0.9}}},
        {"aggregation": {"optimiser": {"name": "adam", "beta1": 0.5, "beta2": 0.9}}},
    ),
    "a strategy by its name": ({}, {"strategy": "fedprox"}, {"strategy": {"name": "fedprox"}}),
    "a parameter of the same strategy": (
        {"strategy": {"name": "fedprox", "proximal": 0.5}},
        {"strategy": {"proximal": 0.1}},
        {"strategy": {"name": "fedprox", "proximal": 0.1}},
    ),
    "null takes the default strategy": ({"strategy": "fedavg"}, {"strategy": None}, {}),
    "sizes of the user's own stay": (
        {"model": {"architecture": "spherenet-4", "height": 56, "widths": [8, 16, 32, 64], "weights": "ab" * 32}},
        {"model": {"architecture": "spherenet-20", "channels": 1}},
        {
            "model": {
                "architecture": "spherenet-20",
                "height": 56,
                "channels": 1,
                "widths": [8, 16, 32, 64],
                "weights": "ab" * 32,
            }
        },
    ),
    "another field": (
        {"model": {"architecture": "mobilefacenet"}, "devices": {"profile": "flaky", "dropout": 0.0}},
        {"model": {"height": 64}, "devices": {"lateness": None}, "rounds": 3},
        {
            "model": {"architecture": "mobilefacenet", "height": 64},
            "devices": {"profile": "flaky", "dropout": 0.0},
            "rounds": 3,
        },
    ),
}


@pytest.mark.parametrize(("given", "patch", "expected"), CHANGES.values(), ids=CHANGES.keys())
def test_a_patched_plan_equals_the_plan_that_a_user_would_write(
    given: dict[str, Any], patch: dict[str, Any], expected: dict[str, Any]
) -> None:
    plan = Plan.model_validate(given)
    read_back = Plan.model_validate_json(plan.model_dump_json())
    assert apply_merge_patch(read_back, patch) == apply_merge_patch(plan, patch) == Plan.model_validate(expected)


def test_sizes_of_the_users_own_are_refused_if_the_new_architecture_is_fixed() -> None:
    plan = Plan.model_validate({"model": {"architecture": "spherenet-4", "height": 56}})
    with pytest.raises(ValueError, match=r"dlib-resnet is fixed at .*; leave out height"):
        apply_merge_patch(plan, {"model": {"architecture": "dlib-resnet"}})


def test_a_spreadout_for_a_strategy_without_one_is_refused() -> None:
    with pytest.raises(ValueError, match="spreadout: the strategy 'fedavg' has none; leave it out"):
        apply_merge_patch(Plan(), {"strategy": "fedavg", "spreadout": {"weight": 3.0}})


@pytest.mark.parametrize("strategy", [["fedavg"], {"name": ["fedavg"]}, {"name": {}}, 3])
def test_what_names_no_strategy_gives_an_error_of_the_plan(strategy: object) -> None:
    with pytest.raises(ValidationError) as refused:
        apply_merge_patch(Plan(), {"strategy": strategy})
    assert refused.value.errors()[0]["loc"][0] == "strategy"


@pytest.mark.parametrize("name", ["fedface", "fedavg", "fedprox", "fedaws"])
def test_a_plan_of_public_negatives_takes_another_strategy(name: str) -> None:
    plan = Plan.model_validate({"strategy": "public-negatives", "split": {"public": 4}})
    changed = apply_merge_patch(plan, {"strategy": name})
    assert changed == Plan.model_validate({"strategy": name, "split": {"public": 4}})


def test_an_encoding_for_a_strategy_that_uploads_nothing_is_refused() -> None:
    """It once was a KeyError: the old encoding was removed twice."""
    with pytest.raises(ValidationError, match="'centralised' uploads nothing; leave it out"):
        apply_merge_patch(Plan(), {"strategy": "centralised", "update_encoding": "float16"})
