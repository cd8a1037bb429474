"""A condition on the TAR needs a false accept rate, which the run reports."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.stopping import StopPlan


@pytest.mark.parametrize("condition", [{"target_tar": 0.9}, {"patience": 2}])
def test_a_condition_on_the_rate_names_its_far(condition: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="give that as `far`"):
        StopPlan.model_validate(condition)


def test_the_far_is_one_that_the_run_reports() -> None:
    with pytest.raises(ValidationError, match=r"stop.far is 0.5, which is not one of the rates in far"):
        Plan.model_validate({"stop": {"far": 0.5, "target_tar": 0.9}})
