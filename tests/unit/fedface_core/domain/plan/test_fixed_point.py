"""How finely a plan's changes are summed, and which plans are refused because sums would be too coarse."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.fixed_point import LEAST_FRACTION_BITS, fraction_bits, largest_norm_for
from fedface_core.domain.plan.part import MOST

PHOTOGRAPHS = {"dataset": "folder", "folder": "faces"}


@pytest.mark.parametrize(
    ("plan", "bits"),
    [
        # 2^e is above norm · images · 1.001. A contribution has 50 bits; a sum has 62, of which the clients take some.
        ({}, 50 - 10),  # 100 · 10
        ({"data": PHOTOGRAPHS}, 50 - 20),  # 100 · 10,000
        ({"data": PHOTOGRAPHS | {"images_per_client": 40}}, 50 - 12),
        ({"aggregation": {"clipping": {"name": "norm", "norm": 0.5}}}, 50 - 3),  # 0.5 · 10: clipped updates are no longer
        ({"aggregation": {"clipping": {"name": "norm", "norm": 1e6}}}, 50 - 10),
        ({"aggregation": {"clipping": "median"}}, 50 - 10),
        ({"data": {"dataset": "synthetic"}, "split": {"clients": 1_000_000}}, 62 - 11 - 20),
        ({"data": {"dataset": "synthetic"}, "split": {"clients": 1_000_000}, "cohort": {"size": 100}}, 50 - 11),
        ({"cohort": {"max_update_norm": 1e-300}}, 149),
    ],
)
def test_the_unit_follows_from_norm_images_and_clients(plan: dict[str, Any], bits: int) -> None:
    assert Plan.model_validate(plan).fraction_bits == bits


def test_a_plan_whose_sums_would_be_too_coarse_is_refused_and_the_fields_are_named() -> None:
    plan = {"data": PHOTOGRAPHS, "cohort": {"max_update_norm": 1e6}}
    with pytest.raises(ValidationError) as refused:
        Plan.model_validate(plan)
    assert (
        "cohort.max_update_norm is 1e+06; with up to 10000 images a client and 20 clients a round, sums of updates would be "
        "in units of 2^-16, and they must be 2^-24 or finer. Lower it to 6704 or less, or lower data.images_per_client or "
        "cohort.size"
    ) in str(refused.value)
    Plan.model_validate(plan | {"cohort": {"max_update_norm": 6704}})
    Plan.model_validate(plan | {"data": PHOTOGRAPHS | {"images_per_client": 50}})
    Plan.model_validate(plan | {"strategy": {"name": "centralised"}})  # it sums no updates


@given(st.integers(1, MOST), st.integers(1, MOST))
def test_the_largest_norm_for_a_plan_is_the_one_that_its_check_allows(images: int, clients: int) -> None:
    largest = largest_norm_for(images, clients)
    assert fraction_bits(largest, images, clients) == LEAST_FRACTION_BITS
    assert fraction_bits(largest * 1.01, images, clients) < LEAST_FRACTION_BITS
