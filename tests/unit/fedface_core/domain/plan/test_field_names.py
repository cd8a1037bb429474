"""Which field somebody may have meant."""

from __future__ import annotations

import pytest

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.field_names import field_names, like_field, place_of


@pytest.mark.parametrize(
    ("place", "meant"),
    [
        (("rouns",), "rounds"),
        (("cohort", "minimun"), "cohort.minimum"),
        (("local_training", "learnin_rate"), "local_training.learning_rate or local_training.final_learning_rate"),
        (("strategy", "fedprox", "proximl"), "strategy.proximal"),
        (("aggregation", "optimizer"), "aggregation.optimiser"),
        (("clients",), "split.clients"),
        (("data", "clients"), "split.clients"),
        (("learning_rate",), "local_training.learning_rate or spreadout.learning_rate"),
        (("deadline",), "cohort.deadline_seconds"),
        (("dea",), ""),
        (("cohort", "deadline_second"), "cohort.deadline_seconds"),
        (("devices", "trace", 0, "droops_out"), "devices.trace.drops_out"),
        (("zzzz",), ""),
        (("",), ""),
        (("x" * 10_000,), ""),
    ],
)
def test_a_slip_is_recognised(place: tuple[str | int, ...], meant: str) -> None:
    assert like_field(Plan, place, {}) == meant


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({}, ""),
        ({"strategy": "fedaws"}, ""),
        ({"strategy": "fedfv"}, "strategy.scale"),
        ({"strategy": {"name": "fedfr", "margin": 3}}, "strategy.scale"),
        ({"strategy": {"name": ["fedfr"]}}, ""),
        ({"strategy": 3}, ""),
        ([], ""),
    ],
)
def test_no_parameter_of_a_strategy_that_is_not_chosen_is_offered(given: object, meant: str) -> None:
    assert like_field(Plan, ("scale",), given) == meant


@pytest.mark.parametrize(
    ("steps", "names", "choice"),
    [
        (("rounds",), "rounds", None),
        (("strategy",), "strategy", None),
        (("strategy", "fedprox"), "strategy", None),
        (("strategy", "fedprox", "mu"), "strategy.mu", "fedprox"),
        (("aggregation", "clipping", "norm", "norm"), "aggregation.clipping.norm", "norm"),
        (("aggregation", "optimiser", "yogi", "x"), "aggregation.optimiser.x", "yogi"),
        (("devices", "trace", 3, "client"), "devices.trace.3.client", None),
        (("query", "limit"), "query.limit", None),
    ],
)
def test_a_choice_is_not_named_in_a_fields_name(steps: tuple[str | int, ...], names: str, choice: str | None) -> None:
    place = place_of(Plan, steps)
    assert (".".join(place.names), place.choice) == (names, choice)


def test_the_names_are_those_of_all_parts_and_of_what_was_chosen() -> None:
    names = field_names(Plan, {"strategy": "fedprox"})
    assert {"rounds", "strategy", "strategy.proximal", "split.clients", "stop.target_tar"} <= {*names}
    assert len(names) == len({*names})
    assert "split" not in names
    assert "strategy.scale" not in names
