"""The class sums: exact, in any order, and without what is taken out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fedface_core.domain.errors import DamagedObjectError
from fedface_learning.objectives.class_sums import LENGTH_TOLERANCE, ClassSums, is_on_the_grid, on_the_grid

SIZE = 16


def embeddings(count: int, seed: int = 0, size: int = SIZE) -> list[Tensor]:
    draws = torch.Generator().manual_seed(seed)
    return [on_the_grid(torch.randn(size, generator=draws)) for _ in range(count)]


def sums_of(rows: list[Tensor]) -> ClassSums:
    total = ClassSums.empty(len(rows[0]))
    for row_D in rows:
        total = total + ClassSums.part_of(row_D)
    return total


def assert_identical(one: ClassSums, other: ClassSums) -> None:
    assert one.clients == other.clients
    assert torch.equal(one.first_D, other.first_D)
    assert torch.equal(one.second_DD, other.second_DD)


@pytest.mark.parametrize("size", [2, 128, 512])
def test_a_class_embedding_is_of_unit_length_on_the_grid(size: int) -> None:
    for row_D in embeddings(50, size=size):
        assert is_on_the_grid(row_D)
        assert abs(float(row_D.double().norm()) - 1) < LENGTH_TOLERANCE
    assert not is_on_the_grid(embeddings(1)[0] + 1e-6)


def test_sums_are_the_same_in_any_order() -> None:
    rows = embeddings(300)
    assert_identical(sums_of(rows), sums_of(rows[::-1]))
    assert_identical(sums_of(rows), sums_of(rows[:100]) + sums_of(rows[100:]))


def test_a_part_that_is_taken_out_leaves_nothing_behind() -> None:
    """After a thousand changes too: the sums are those of the present class embeddings alone, to the bit."""
    rows = embeddings(200)
    total = sums_of(rows)
    for turn, new_D in enumerate(embeddings(1000, seed=1)):
        total = total + (ClassSums.part_of(new_D) - ClassSums.part_of(rows[turn % 200]))
        rows[turn % 200] = new_D
    assert_identical(total, sums_of(rows))
    assert_identical(total - ClassSums.part_of(rows[7]), sums_of(rows[:7] + rows[8:]))


def test_mean_and_covariance_are_those_of_the_class_embeddings() -> None:
    rows = embeddings(40)
    found = sums_of(rows).gaussian()
    assert found is not None
    stacked_CD = torch.stack(rows).double()
    torch.testing.assert_close(found.mean_D, stacked_CD.mean(dim=0))
    torch.testing.assert_close(found.covariance_DD, torch.cov(stacked_CD.T, correction=0))
    assert found.count == 40


def test_one_class_embedding_has_no_covariance_and_none_no_gaussian() -> None:
    rows = embeddings(2)
    one = (sums_of(rows) - ClassSums.part_of(rows[0])).gaussian()
    assert one is not None
    assert torch.equal(one.mean_D, rows[1].double())
    assert not one.covariance_DD.any()
    assert ClassSums.empty(SIZE).gaussian() is None


def test_the_mean_cosine_is_that_of_all_pairs() -> None:
    rows = embeddings(30)
    stacked_CD = torch.stack(rows).double()
    cosines_CC = stacked_CD @ stacked_CD.T
    expected = float((cosines_CC.sum() - cosines_CC.trace()) / (30 * 29))
    assert sums_of(rows).mean_cosine == pytest.approx(expected, rel=1e-3)
    assert sums_of(rows[:1]).mean_cosine == ClassSums.empty(SIZE).mean_cosine == 0
    too_long = ClassSums.part_of(torch.full((SIZE,), 0.2502))
    assert (too_long + too_long).mean_cosine <= 1, "class embeddings may be a little too long, a cosine may not"


def test_sums_are_read_as_they_were_stored() -> None:
    total = sums_of(embeddings(5))
    assert_identical(ClassSums.read(total.tensors(), SIZE), total)
    assert_identical(ClassSums.read(ClassSums.empty(SIZE).tensors(), SIZE), ClassSums.empty(SIZE))
    change = ClassSums.part_of(embeddings(1)[0]) - ClassSums.part_of(embeddings(1, seed=9)[0])
    assert_identical(ClassSums.read_change(change.tensors()), change)


def changed(name: str, value: Tensor) -> dict[str, Tensor]:
    return sums_of(embeddings(5)).tensors() | {f"class_sums/{name}": value}


def not_symmetric() -> Tensor:
    second_DD = sums_of(embeddings(5)).second_DD
    second_DD[0, 1] += 2**-20
    return second_DD


@pytest.mark.parametrize(
    ("tensors", "complaint"),
    [
        ({}, "need the tensor 'class_sums/clients'"),
        (changed("clients", torch.tensor([5])), "have the shapes"),
        (changed("clients", torch.tensor(5.0)), "other types"),
        (changed("clients", torch.tensor(6)), "trace of 5"),
        (changed("clients", torch.tensor(-1)), "class sums of -1 clients"),
        (changed("first_D", torch.zeros(SIZE)), "other types"),
        (changed("first_D", torch.zeros(0, dtype=torch.float64)), "have the shapes"),
        (changed("first_D", torch.full((SIZE,), 2.0, dtype=torch.float64)), "first sum of length 8"),
        (changed("second_DD", torch.zeros(SIZE, SIZE, dtype=torch.float64)), "trace of 0"),
        (changed("second_DD", torch.full((SIZE, SIZE), torch.nan, dtype=torch.float64)), "finite"),
        (changed("second_DD", not_symmetric()), "symmetric"),
    ],
)
def test_sums_that_no_clients_have_are_refused(tensors: dict[str, Tensor], complaint: str) -> None:
    with pytest.raises(DamagedObjectError, match=complaint):
        ClassSums.read(tensors, SIZE)


def test_sums_of_another_size_are_refused() -> None:
    with pytest.raises(DamagedObjectError, match="have 16 dimensions; they must have 8"):
        ClassSums.read(sums_of(embeddings(3)).tensors(), 8)
