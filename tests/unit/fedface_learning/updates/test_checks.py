"""Updates that are refused, with the reason, and what is read of good ones."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from fedface_core.domain.errors import UpdateRefusedError
from fedface_core.domain.update import AcceptedUpdate
from fedface_learning.formats.codec import encode_tensors, sha256_hex
from fedface_learning.formats.flat_sum import sum_positions
from fedface_learning.strategies.mean_embeddings import MEAN_EMBEDDING
from fedface_learning.updates.careful_check import CheckedUpdate
from fedface_learning.updates.checks import (
    check_mean_embedding,
    check_update,
    enrolment_reference,
)
from fedface_learning.updates.form import UpdateForm, in_one_block, size_limit
from fedface_learning.updates.norm import NormBounds, update_norm

REFERENCE = {
    "conv.weight": torch.zeros(2, 3),
    "conv.bias": torch.zeros(2),
    "centre": torch.zeros(4),
    "norm.num_batches_tracked": torch.tensor(7),
}
WITH_ROWS = UpdateForm.of(REFERENCE, {"rows": torch.empty(2, 3, device="meta")}, steps=2)
METADATA = {"images": 10, "loss_before": 0.5, "loss_after": 0.25}


def accepted(data: bytes, images: int = 10) -> AcceptedUpdate:
    return AcceptedUpdate(sha256=sha256_hex(data), size=len(data), images=images)


def encoded(changes: dict[str, Tensor | None] | None = None, metadata: dict[str, Any] | None = None) -> bytes:
    """An update with some tensors replaced, or (None) left out."""
    tensors = REFERENCE | (changes or {})
    return encode_tensors({name: tensor for name, tensor in tensors.items() if tensor is not None}, metadata or METADATA)


def by_name(update: CheckedUpdate, form: UpdateForm) -> dict[str, Tensor]:
    """The update's tensors, each value from its place in the sum."""
    flat_P = torch.empty(form.averaged_values)
    for span, values_P in update.values:
        flat_P[span.in_sum : span.in_sum + span.count] = values_P
    averaged = {
        name: flat_P[position : position + REFERENCE[name].numel()].view(REFERENCE[name].shape)
        for name, position in sum_positions(REFERENCE).items()
    }
    return averaged | dict(update.counters) | dict(update.further_tensors)


def refusal(data: bytes, accepted_as: AcceptedUpdate | None = None, max_norm: float = 5.0) -> UpdateRefusedError:
    with pytest.raises(UpdateRefusedError) as caught:
        check_update(
            in_one_block(data), accepted_as or accepted(data), UpdateForm.of(REFERENCE, steps=2), NormBounds(max_norm)
        )
    return caught.value


def test_a_good_update_comes_back_as_its_tensors() -> None:
    changes = {"conv.bias": torch.tensor([3.0, 4.0]), "norm.num_batches_tracked": torch.tensor(9)}
    data = encoded(dict(changes))
    form = UpdateForm.of(REFERENCE, steps=2)
    for max_norm in (5.0, 50.0):  # checked carefully, and by the fast path
        tensors = by_name(check_update(in_one_block(data), accepted(data), form, NormBounds(max_norm)), form)
        assert tensors.keys() == REFERENCE.keys()
        assert all(torch.equal(tensors[name], (REFERENCE | changes)[name]) for name in REFERENCE)
    assert update_norm(tensors, REFERENCE) == 5.0  # the counter is no distance


def test_bytes_that_are_not_those_accepted_are_refused() -> None:
    refused = refusal(encoded(), accepted(b"something else"))
    assert refused.reason == "changed"
    assert accepted(b"something else").sha256 in refused.detail


@pytest.mark.parametrize("data", [b"\x80\x04pickle", encoded()[:-5], b"\xff" * 64])
def test_bytes_that_are_no_safetensors_are_refused(data: bytes) -> None:
    pinned = AcceptedUpdate(sha256=sha256_hex(data), size=len(data), images=10)
    assert refusal(data, pinned).reason == "malformed"


def test_missing_and_unexpected_tensors_are_refused_by_name() -> None:
    refused = refusal(encoded({"conv.bias": None, "backdoor": torch.zeros(1)}))
    assert refused.reason == "wrong_tensors"
    assert "missing: conv.bias" in refused.detail
    assert "unexpected: backdoor" in refused.detail


@pytest.mark.parametrize(
    ("changes", "reason", "detail"),
    [
        ({"conv.weight": torch.zeros(3, 2)}, "wrong_shape", "conv.weight has the shape (3, 2); it must be (2, 3)"),
        ({"conv.weight": torch.zeros(6)}, "wrong_shape", "conv.weight"),
        ({"conv.bias": torch.zeros(2, dtype=torch.float64)}, "wrong_dtype", "conv.bias has the type torch.float64"),
        ({"norm.num_batches_tracked": torch.tensor(7.0)}, "wrong_dtype", "norm.num_batches_tracked"),
        ({"conv.bias": torch.tensor([0.0, torch.nan])}, "not_finite", "conv.bias holds 1 values"),
        ({"centre": torch.full((4,), -torch.inf)}, "not_finite", "centre holds 4 values"),
        ({"conv.bias": torch.tensor([3.0, 4.1])}, "norm_exceeded", "at most 5 is allowed"),
        ({"centre": torch.full((4,), 2.6)}, "norm_exceeded", "parameters and buffers"),
        ({"conv.weight": torch.full((2, 3), 3e38)}, "norm_exceeded", "from the global model"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(changes: dict[str, Tensor | None], reason: str, detail: str) -> None:
    refused = refusal(encoded(changes))
    assert refused.reason == reason
    assert detail in refused.detail


@pytest.mark.parametrize("images", [11, None, "10", [10]])
def test_an_update_that_claims_other_images_than_were_accepted_is_refused(images: Any) -> None:
    refused = refusal(encoded(metadata={"images": images}))
    assert refused.reason == "wrong_image_count"
    assert f"{images!r} images, but 10 were accepted" in refused.detail


def test_a_mean_embedding_is_checked_as_an_update_is() -> None:
    mean_D = torch.linspace(0, 1, 8)
    data = encode_tensors({MEAN_EMBEDDING: mean_D}, {"images": 10})
    assert torch.equal(check_mean_embedding(in_one_block(data), accepted(data), 8, 10), mean_D)
    assert len(data) < size_limit(enrolment_reference(8))
    with pytest.raises(UpdateRefusedError, match=r"mean_embedding has the shape \(8,\)") as caught:
        check_mean_embedding(in_one_block(data), accepted(data), 16, 10)
    assert caught.value.reason == "wrong_shape"


def directions(length: float) -> bytes:
    """An update with two directions beside the model, the second of this length."""
    return encoded({"rows": torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.6, 0.8]]) * torch.tensor([[1.0], [length]])})


@pytest.mark.parametrize("length", [0.9991, 0.99999, 1.0, 1.0009])
def test_a_direction_that_is_off_by_rounding_is_set_right(length: float) -> None:
    data = directions(length)
    tensors = by_name(check_update(in_one_block(data), accepted(data), WITH_ROWS, NormBounds(5.0)), WITH_ROWS)
    torch.testing.assert_close(tensors["rows"], torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.6, 0.8]]), rtol=0, atol=1e-7)
    assert tensors.keys() == REFERENCE.keys() | {"rows"}


@pytest.mark.parametrize("length", [0.0, 0.9985, 1.0015, 3e38])
def test_one_row_of_another_length_is_no_direction(length: float) -> None:
    data = directions(length)
    with pytest.raises(UpdateRefusedError, match=r"rows has lengths from .* it must be of length 1") as caught:
        check_update(in_one_block(data), accepted(data), WITH_ROWS, NormBounds(5.0))
    assert caught.value.reason == "norm_exceeded"
