"""Which field somebody may have meant."""

from __future__ import annotations

import pytest

from fedface_cli.field_names import field_names, like_field
from fedface_core.domain.plan import Plan


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
        (("learning_rate",), "strategy.learning_rate or local_training.learning_rate or spreadout.learning_rate"),
        (("deadline",), ""),
        (("cohort", "deadline_second"), "cohort.deadline_seconds"),
        (("devices", "trace", 0, "droops_out"), "devices.trace.drops_out"),
        (("zzzz",), ""),
        (("",), ""),
        (("x" * 10_000,), ""),
    ],
)
def test_a_slip_is_recognised(place: tuple[str | int, ...], meant: str) -> None:
    assert like_field(Plan, place) == meant


def test_the_names_are_those_of_all_parts() -> None:
    names = field_names(Plan)
    assert {"rounds", "strategy", "strategy.proximal", "split.clients", "stop.target_tar"} <= {*names}
    assert len(names) == len({*names})
    assert "split" not in names
