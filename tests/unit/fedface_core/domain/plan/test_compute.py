"""Device and precision of a plan: what goes together, and that plans for the CPU are written as they always were."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from fedface_core.domain.plan import Plan


def test_by_default_a_plan_is_for_the_cpu_and_does_not_say_so() -> None:
    plan = Plan()
    assert (plan.compute.device, plan.compute.precision) == ("cpu", "float32")
    assert "compute" not in plan.model_dump(mode="json")


def test_a_plan_for_a_gpu_says_so_and_comes_back_equal() -> None:
    plan = Plan.model_validate({"compute": {"device": "cuda", "precision": "tf32"}})
    assert plan.model_dump(mode="json")["compute"] == {"device": "cuda", "precision": "tf32"}
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


@pytest.mark.parametrize(
    ("compute", "complaint"),
    [
        ({"precision": "tf32"}, "only a GPU has: set device to 'cuda'"),
        ({"precision": "bfloat16"}, "for pre-training and evaluation"),
        ({"device": "cuda", "precision": "bfloat16"}, "for pre-training and evaluation"),
        ({"device": "auto"}, "Input should be 'cpu' or 'cuda'"),
    ],
)
def test_what_does_not_go_together_is_refused_with_what_would(compute: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Plan.model_validate({"compute": compute})
