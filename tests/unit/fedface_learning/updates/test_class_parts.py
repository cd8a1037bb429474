"""What an update brings to the class sums, and what of it is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from fedface_core.domain.errors import DamagedObjectError, UpdateRefusedError
from fedface_core.domain.update import AcceptedUpdate
from fedface_learning.formats.codec import encode_tensors, sha256_hex
from fedface_learning.objectives.class_sums import BEFORE_AND_AFTER, ClassSums, on_the_grid
from fedface_learning.updates.class_parts import (
    check_class_embeddings,
    decode_kept,
    encode_kept,
    kept_limit,
    part_at_enrolment,
    part_of_round,
)

OLD_D, NEW_D, OTHER_D = (on_the_grid(row_D) for row_D in torch.randn(3, 8, generator=torch.Generator().manual_seed(0)))


def kept(class_embedding_D: Tensor) -> str:
    return sha256_hex(encode_kept(class_embedding_D))


def accepted(residual_sha256: str | None) -> AcceptedUpdate:
    return AcceptedUpdate(sha256="a" * 64, size=1, images=1, residual_sha256=residual_sha256)


def test_a_client_keeps_its_class_embedding_as_it_was() -> None:
    data = encode_kept(NEW_D)
    assert torch.equal(decode_kept(data, 8), NEW_D)
    assert len(data) <= kept_limit(8)


@pytest.mark.parametrize(
    ("tensors", "complaint"),
    [
        ({}, "it holds nothing"),
        ({"residual_P": NEW_D}, "it holds residual_P"),
        ({"class_embedding_D": NEW_D[:7]}, "8 float32 numbers"),
        ({"class_embedding_D": NEW_D.double()}, "torch.float64"),
        ({"class_embedding_D": 2 * NEW_D}, "must be of length 1"),
        ({"class_embedding_D": NEW_D, "more": NEW_D}, "it holds class_embedding_D .*, more"),
    ],
)
def test_what_is_no_class_embedding_is_not_gone_on_from(tensors: dict[str, Tensor], complaint: str) -> None:
    with pytest.raises(DamagedObjectError, match=complaint):
        decode_kept(encode_tensors(tensors), 8)


def test_parts_are_what_they_change_in_the_sums() -> None:
    enrolled = part_at_enrolment(OLD_D, accepted(kept(OLD_D)))
    further = {BEFORE_AND_AFTER: torch.stack([OLD_D, NEW_D])}
    after = enrolled + part_of_round(further, accepted(kept(NEW_D)), kept(OLD_D))
    assert after.clients == 1
    assert torch.equal(after.first_D, NEW_D.double())
    assert torch.equal(after.second_DD, ClassSums.part_of(NEW_D).second_DD)


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (lambda: check_class_embeddings("w", torch.stack([NEW_D, 1.1 * OLD_D])), "norm_exceeded"),
        (lambda: check_class_embeddings("w", torch.zeros(8)), "norm_exceeded"),
        (lambda: check_class_embeddings("w", torch.full((8,), torch.nan)), "norm_exceeded"),
        (lambda: check_class_embeddings("w", NEW_D + 1e-6), "out_of_range"),
        (lambda: part_at_enrolment(2 * NEW_D, accepted(kept(2 * NEW_D))), "norm_exceeded"),
        (lambda: part_at_enrolment(NEW_D, accepted(None)), "changed"),
        (lambda: part_at_enrolment(NEW_D, accepted(kept(OTHER_D))), "changed"),
        (lambda: round_of(OTHER_D, NEW_D, kept(OLD_D), kept(NEW_D)), "changed"),
        (lambda: round_of(OLD_D, NEW_D, None, kept(NEW_D)), "changed"),
        (lambda: round_of(OLD_D, NEW_D, kept(OLD_D), kept(OTHER_D)), "changed"),
        (lambda: round_of(OLD_D, NEW_D, kept(OLD_D), None), "changed"),
    ],
)
def test_a_client_takes_out_its_own_part_only_and_puts_in_one_unit_vector(act: Callable[[], object], reason: str) -> None:
    with pytest.raises(UpdateRefusedError) as refused:
        act()
    assert refused.value.reason == reason


def round_of(before_D: Tensor, after_D: Tensor, known: str | None, declared: str | None) -> ClassSums:
    return part_of_round({BEFORE_AND_AFTER: torch.stack([before_D, after_D])}, accepted(declared), known)
