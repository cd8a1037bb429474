"""Processes that train together: their parts of a batch, and the one that is alone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.ranks import ALONE, Ranks, joined


@given(images=st.integers(0, 1000), count=st.integers(1, 40))
def test_parts_are_nearly_equal_and_make_the_whole(images: int, count: int) -> None:
    parts = [range(images)[Ranks(number, count).part(images)] for number in range(count)]
    assert [place for part in parts for place in part] == list(range(images))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_one_process_is_alone_and_meets_nobody() -> None:
    tensor = torch.ones(3)
    with joined() as ranks:
        assert ranks is ALONE
        ranks.add_up([tensor])
        ranks.wait_for_all()
        assert ranks.from_first("value") == "value"
        ranks.take_device("cuda")
    assert torch.equal(tensor, torch.ones(3))


def test_each_takes_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    for number in range(2):
        Ranks(number, 2).take_device("cuda")
        Ranks(number, 2).take_device("cpu")
    assert taken == [0, 1]
    with pytest.raises(InvalidInputError, match=r"started 3 processes, and torch reaches 2 GPUs .* --nproc-per-node 2"):
        Ranks(0, 3).take_device("cuda")
