"""What all data sets share: the size of images, and the order of names."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import ModelPlan
from fedface_learning.data.dataset import ImageSize, natural_sort_key

NAMES = st.text(alphabet="ab019²_.", max_size=6)


def test_the_size_of_images_is_the_models() -> None:
    plan = ModelPlan.model_validate({"architecture": "spherenet-4", "height": 32, "width": 16, "channels": 1})
    assert ImageSize.of(plan) == ImageSize(32, 16, 1)


def test_numbers_in_names_are_sorted_by_value() -> None:
    names = ["a10", "10", "a2.jpg", "2", "a2b10", "a2b9", "02"]
    assert sorted(names, key=natural_sort_key) == ["02", "2", "10", "a2.jpg", "a2b9", "a2b10", "a10"]


@given(NAMES, NAMES)
def test_any_two_names_can_be_sorted_and_different_names_never_tie(first: str, second: str) -> None:
    assert (natural_sort_key(first) == natural_sort_key(second)) == (first == second)
    assert sorted([first, second], key=natural_sort_key) == sorted([second, first], key=natural_sort_key)


def test_a_name_that_is_not_in_utf_8_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"the name b'\\xff' is not in UTF-8: rename the file or folder"):
        natural_sort_key(os.fsdecode(b"\xff"))
