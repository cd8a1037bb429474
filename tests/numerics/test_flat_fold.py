"""The sum of a shard against a loop by hand, bit for bit, in any blocks and any layout of the updates."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fedface_core.domain.plan import Plan
from fedface_core.domain.update import AcceptedUpdate
from fedface_learning.aggregation import TrainingPartial
from fedface_learning.aggregation.exact_sum import SUM
from fedface_learning.formats.codec import encode_tensors, sha256_hex
from fedface_learning.strategies import STRATEGIES
from fedface_learning.strategies.fedface import FEDFACE
from support.server_rounds import starting_point

IMAGES = (3, 7, 2, 11)
# Of several types, an empty one, and odd sizes, so that parts and vectors end anywhere; more than one part of values.
SHAPES: dict[str, tuple[tuple[int, ...], torch.dtype]] = {
    "a.weight": ((257, 1031), torch.float32),
    "b.bias": ((7,), torch.float32),
    "c.half": ((5, 3), torch.float16),
    "d.double": ((3,), torch.float64),
    "e.empty": ((0, 4), torch.float32),
    "f.batches": ((), torch.int64),
    "g.flags": ((3,), torch.int8),
}
FURTHER = {"b.between": (2, 4)}
ASYNCHRONOUS = {"mode": "asynchronous", "staleness_exponent": 1.5}


def model(seed: int, scale: float = 1.0) -> dict[str, Tensor]:
    draws = torch.Generator().manual_seed(seed)
    return {
        name: (scale * torch.randn(shape, generator=draws, dtype=torch.float64)).to(dtype)
        if dtype.is_floating_point
        else torch.randint(100, shape, generator=draws, dtype=dtype)
        for name, (shape, dtype) in SHAPES.items()
    }


REFERENCE = model(0)


def trained(client: int) -> dict[str, Tensor]:
    moved = model(1 + client, 1e-3)
    return {
        name: (tensor + moved[name]).to(tensor.dtype) if tensor.is_floating_point() else moved[name]
        for name, tensor in REFERENCE.items()
    }


def as_blocks(data: bytes, size: int) -> Sequence[memoryview]:
    return [memoryview(bytearray(data[start : start + size])) for start in range(0, len(data), size)]


@pytest.fixture(autouse=True)
def _strategy_with_further_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STRATEGIES, "fedface", replace(FEDFACE, upload_shapes=lambda _plan: FURTHER))


def folded(
    block_bytes: int, max_norm: float = 100.0, *, reverse: bool = False, behind: int | None = None
) -> TrainingPartial:
    """The partial of all updates. With ``behind``, of an asynchronous run whose clients are so many rounds behind."""
    plan: dict[str, Any] = {"cohort": {"max_update_norm": max_norm}}
    if behind is not None:
        plan = {"cohort": {"max_update_norm": max_norm, "quorum": 1, "minimum": 1}, "aggregation": ASYNCHRONOUS}
    plan["data"] = {"dataset": "synthetic", "images_per_identity": max(IMAGES)}
    start = starting_point(Plan.model_validate(plan), REFERENCE, behind or 0)
    partial = TrainingPartial()
    for client, images in enumerate(IMAGES):
        tensors = trained(client) | {"b.between": torch.eye(4)[:2]}
        data = encode_tensors(tensors, {"images": images})
        if reverse:
            data = in_another_order(tensors, images)
        accepted = AcceptedUpdate(sha256=sha256_hex(data), size=len(data), images=images, loss_before=1.0, loss_after=0.5)
        partial.fold(f"client-{client:06d}", accepted, as_blocks(data, block_bytes), start)
    assert partial.refused == {}
    assert partial.uploaded["client-000002"]["b.between"].tolist() == torch.eye(4)[:2].tolist()
    return partial


def in_another_order(tensors: dict[str, Tensor], images: int) -> bytes:
    """Safetensors as another program may write them: equal tensors, in reversed order of their names."""
    header: dict[str, object] = {"__metadata__": {"fedface": json.dumps({"images": images})}}
    body = b""
    names = {torch.float32: "F32", torch.float16: "F16", torch.float64: "F64", torch.int64: "I64", torch.int8: "I8"}
    for name in sorted(tensors, reverse=True):
        data = tensors[name].numpy().tobytes()
        header[name] = {
            "dtype": names[tensors[name].dtype],
            "shape": list(tensors[name].shape),
            "data_offsets": [len(body), len(body) + len(data)],
        }
        body += data
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def by_hand(bits: int, behind: int = 0) -> tuple[list[int], dict[str, Tensor]]:
    """The flat sum in units, by Python's whole numbers; and the largest of each integer tensor."""
    total = np.zeros(sum(tensor.numel() for tensor in REFERENCE.values() if tensor.is_floating_point()), dtype=object)
    largest = {name: tensor for name, tensor in trained(0).items() if not tensor.is_floating_point()}
    for client, images in enumerate(IMAGES):
        model = trained(client)
        units = images * float((1 + behind) ** -1.5) * 2.0**bits
        changes = [
            (model[name].numpy().astype(np.float64) - REFERENCE[name].numpy().astype(np.float64)).reshape(-1) * units
            for name in sorted(REFERENCE)
            if REFERENCE[name].is_floating_point()
        ]
        total += np.array([round(change) for change in np.concatenate(changes)], dtype=object)
        largest = {name: torch.maximum(tensor, model[name]) for name, tensor in largest.items()}
    return total.tolist(), largest


def is_by_hand(partial: TrainingPartial, behind: int = 0) -> bool:
    bits = partial.changes.fraction_bits
    assert bits is not None
    expected, largest = by_hand(bits, behind)
    counters = partial.changes.counters()
    return (
        partial.changes.tensors()[SUM].tolist() == expected
        and counters.keys() == largest.keys()
        and all(torch.equal(counters[name], largest[name]) for name in largest)
    )


@pytest.mark.parametrize("block_bytes", [2**24, 2**19, 4096, 1024 + 8])
def test_the_sum_is_that_of_a_loop_by_hand_to_the_bit(block_bytes: int) -> None:
    assert is_by_hand(folded(block_bytes))


def test_a_careful_check_sums_the_same() -> None:
    distances = [
        sum(
            float((tensor.double() - REFERENCE[name].double()).square().sum())
            for name, tensor in trained(client).items()
            if tensor.is_floating_point()
        )
        ** 0.5
        for client in range(len(IMAGES))
    ]
    assert is_by_hand(folded(4096, max_norm=max(distances) * 1.00001))


def test_an_update_of_another_layout_sums_the_same() -> None:
    assert is_by_hand(folded(4096, reverse=True))


def test_changes_are_summed_with_the_weight_of_their_staleness() -> None:
    assert is_by_hand(folded(2**19, behind=2), behind=2)
