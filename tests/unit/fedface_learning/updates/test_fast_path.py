"""The fast path only ever answers "certainly good" or "ask the careful check": never does it know better than that."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fedface_core.domain.errors import UpdateRefusedError
from fedface_core.domain.update import AcceptedUpdate
from fedface_core.files.safetensors_header import MAX_HEADER_BYTES
from fedface_learning.formats.codec import encode_tensors, sha256_hex
from fedface_learning.updates.careful_check import CheckedUpdate, check_carefully
from fedface_learning.updates.fast_path import check_fast
from fedface_learning.updates.form import UpdateForm, in_one_block
from fedface_learning.updates.norm import rough_norm, update_norm

IMAGES = 10
# Of several types, with a further tensor between those that are averaged, so that there are several spans.
REFERENCE = {
    "a.weight": torch.linspace(-1, 1, 6).view(2, 3),
    "c.bias": torch.tensor([0.5, -0.0]),
    "d.half": torch.tensor([1.0, 2.0, 3.0], dtype=torch.float16),
    "e.double": torch.tensor([1e10, -1.0], dtype=torch.float64),
    "f.batches": torch.tensor(7),
    "g.flags": torch.tensor([1, 2, 3], dtype=torch.int8),
}
ROWS = "b.rows"
FORM = UpdateForm.of(REFERENCE, {ROWS: torch.empty(2, 3, device="meta")}, steps=2)
GOOD = REFERENCE | {ROWS: torch.eye(3)[:2]}


def blocks_of(data: bytes, size: int) -> Sequence[memoryview]:
    return [memoryview(bytearray(data[start : start + size])) for start in range(0, len(data), size)]


def accepted(data: bytes) -> AcceptedUpdate:
    return AcceptedUpdate(sha256=sha256_hex(data), size=max(len(data), 1), images=IMAGES)


def both(
    data: bytes, max_norm: float, form: UpdateForm = FORM, block_bytes: int = 2**24
) -> tuple[CheckedUpdate | None, CheckedUpdate | None]:
    """What the fast path says, and what the careful check; None if it refuses."""
    blocks = blocks_of(data, block_bytes)
    fast = check_fast(blocks, accepted(data), form, max_norm)
    try:
        return fast, check_carefully(blocks, accepted(data), form, max_norm)
    except UpdateRefusedError:
        return fast, None


def bits(tensor: Tensor) -> bytes:
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def contents(update: CheckedUpdate) -> tuple[list[tuple[int, int, torch.dtype, bytes]], ...]:
    """Each value with its places in sum and model, however they were cut; then counters and further tensors by name."""
    values = [
        (span.in_sum + index, span.in_model + index * span.dtype.itemsize, value.dtype, bits(value))
        for span, values_P in update.values
        for index, value in enumerate(values_P)
    ]
    others: list[Any] = [
        sorted((name, tuple(tensor.shape), tensor.dtype, bits(tensor)) for name, tensor in tensors.items())
        for tensors in (update.counters, update.further_tensors)
    ]
    return sorted(values, key=lambda value: value[0]), *others


def with_header(data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """The object with another JSON for its header."""
    size = int.from_bytes(data[:8], "little")
    header = change(data[8 : 8 + size].rstrip(b" "))
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[8 + size :]


METADATA = json.dumps(json.dumps({"images": IMAGES}, separators=(",", ":"))).encode()
"""As the header quotes it."""
ODD_HEADERS: dict[str, tuple[Callable[[bytes], bytes], bool]] = {
    "half of a surrogate pair": (lambda header: header.replace(METADATA, METADATA[:-2] + rb',\"x\":\"\ud800\"}"'), False),
    "that half in UTF-8": (lambda header: header.replace(METADATA, METADATA[:-2] + b',\\"x\\":\\"\xed\xa0\x80\\"}"'), False),
    "metadata in UTF-16": (lambda header: header.replace(METADATA, METADATA.decode().encode("utf-16-le")), False),
    "more than a header may have": (
        lambda header: header.replace(METADATA, METADATA[:-2] + b',\\"x\\":\\"' + b"x" * MAX_HEADER_BYTES + b'\\"}"'),
        False,
    ),
    "more padding than ours": (lambda header: header + b" " * 16, True),
    "a letter that is escaped": (lambda header: header.replace(b"images", b"\\u0069mages"), True),
    "spaces between": (lambda header: json.dumps(json.loads(header)).encode(), True),
}
NUMBERS = st.one_of(
    st.floats(-2, 2, allow_subnormal=False),  # which a test before this one may have had flushed to zero
    st.sampled_from([float("nan"), float("inf"), float("-inf"), -0.0, 1e-30, 3e38, -3e38, 1e300, 65504.0, 1e5, 2.0**-25]),
)


def moved(tensor: Tensor, numbers: Sequence[float]) -> Tensor:
    """The tensor plus these numbers, of its own type."""
    sum_P = tensor.reshape(-1).double() + torch.tensor(numbers[: tensor.numel()], dtype=torch.float64)
    if not tensor.is_floating_point():
        sum_P = sum_P.nan_to_num(0.0).clamp(-100, 100)
    return sum_P.to(tensor.dtype).reshape(tensor.shape)


def block_sizes(data: bytes) -> st.SearchStrategy[int]:
    """All in one block; or the header and a little more in the first one, so that blocks end amid tensors."""
    data_start = 8 + int.from_bytes(data[:8], "little")
    return st.one_of(st.just(2**24), st.integers(0, 8).map(lambda words: data_start + 8 * words))


@st.composite
def uploads(draw: st.DrawFn) -> tuple[bytes, float, int]:
    """What a client may upload, the bound that it is held to, and the size of the blocks that it comes in."""
    tensors = dict(GOOD)
    for name in draw(st.lists(st.sampled_from(sorted(REFERENCE)), max_size=3, unique=True)):
        tensors[name] = moved(tensors[name], draw(st.lists(NUMBERS, min_size=6, max_size=6)))
    lengths = st.sampled_from([1.0, 1.0, 1.0, 0.9991, 1.0011, 0.0, float("nan"), 3e38])
    tensors[ROWS] = tensors[ROWS] * torch.tensor([[draw(lengths)], [draw(lengths)]])
    found = update_norm(tensors, REFERENCE)
    near = st.sampled_from([1 - 2e-3, 1 - 1e-3, 1 - 5e-4, 1 - 1e-7, 1.0, 1 + 1e-7, 1 + 5e-4, 1 + 1e-3, 1 + 2e-3])
    max_norm = draw(st.one_of(st.floats(1e-3, 10), near.map(lambda share: found * share if 0 < found < 1e30 else 1.0)))
    victim = draw(st.sampled_from(sorted(GOOD)))
    match draw(st.sampled_from(["none"] * 6 + ["missing", "unexpected", "shape", "type"])):
        case "missing":
            del tensors[victim]
        case "unexpected":
            tensors["h.more"] = torch.zeros(1)
        case "shape":
            tensors[victim] = tensors[victim].reshape(1, -1)
        case "type":
            tensors[victim] = tensors[victim].to(draw(st.sampled_from([torch.float32, torch.float64, torch.int32])))
    metadata = draw(st.dictionaries(st.text(max_size=3), st.text(max_size=3)))
    images = draw(st.sampled_from([IMAGES] * 6 + [11, None, "10", float(IMAGES), True]))
    honest = encode_tensors(tensors, metadata | {"images": images})
    block_bytes = draw(block_sizes(honest))
    data = bytearray(honest)
    match draw(st.sampled_from(["none"] * 6 + ["byte", "short", "long"])):
        case "byte":
            data[draw(st.integers(0, len(data) - 1))] ^= draw(st.integers(1, 255))
        case "short":
            del data[-draw(st.integers(1, 16)) :]
        case "long":
            data += bytes(draw(st.integers(1, 16)))
    return bytes(data), max_norm, block_bytes


@given(uploads())
@settings(max_examples=400, deadline=None)
@pytest.mark.slow
def test_what_the_fast_path_accepts_the_careful_check_accepts_with_equal_contents(upload: tuple[bytes, float, int]) -> None:
    """So what the careful check refuses, the fast path never accepts."""
    data, max_norm, block_bytes = upload
    fast, careful = both(data, max_norm, block_bytes=block_bytes)
    if fast is not None:
        assert careful is not None, "the careful check refuses what the fast path accepts"
        assert contents(fast) == contents(careful)


@given(
    st.lists(st.floats(-0.25, 0.25, allow_subnormal=False), min_size=18, max_size=18),
    st.dictionaries(st.text(), st.text()),
    st.data(),
)
@settings(max_examples=100, deadline=None)
@pytest.mark.slow
def test_the_fast_path_is_certain_of_an_honest_update(
    numbers: list[float], metadata: dict[str, str], more: st.DataObject
) -> None:
    """Else it would not be fast, and the property above would be empty."""
    changed = {name: moved(tensor, numbers[2 * index :]) for index, (name, tensor) in enumerate(REFERENCE.items())}
    data = encode_tensors(changed | {ROWS: GOOD[ROWS]}, metadata | {"images": IMAGES})
    max_norm = 1.002 * update_norm(changed, REFERENCE) + 1e-9
    fast, careful = both(data, max_norm, block_bytes=more.draw(block_sizes(data)))
    assert fast is not None
    assert careful is not None
    assert contents(fast) == contents(careful)


@pytest.mark.parametrize("oddity", ODD_HEADERS)
def test_a_header_that_we_would_not_write_is_for_the_careful_check(oddity: str) -> None:
    change, good = ODD_HEADERS[oddity]
    honest = encode_tensors(GOOD, {"images": IMAGES})
    odd = with_header(honest, change)
    assert odd != honest
    fast, careful = both(odd, 5.0)
    assert fast is None
    assert (careful is not None) == good


def lost_beside_ones(count: int) -> Tensor:
    """A one for each of torch's eight sums, and then only numbers whose squares are less than 2⁻²⁴: none makes 1 grow."""
    return torch.full((count,), 2.43e-4).index_fill_(0, torch.arange(8), 1.0)


@pytest.mark.parametrize(
    ("start", "end", "hidden"),
    [
        (torch.zeros(2**15), lost_beside_ones(2**15), 1e-4),
        (torch.zeros(2**16).half(), lost_beside_ones(2**16).half(), 2e-4),
        (torch.tensor([1e10]).double(), torch.tensor([1e10]).double() + 100, 0.0),
        (torch.zeros(100), torch.full((100,), 1e-23), 1.0),
    ],
    ids=["lost in the sum", "lost in the sum of half floats", "far from zero in float64", "without a square in float32"],
)
def test_a_distance_that_may_be_too_short_is_for_the_careful_check(start: Tensor, end: Tensor, hidden: float) -> None:
    """``hidden`` is which share of it the fast path does not see, at least: a stranger could choose such values."""
    form = UpdateForm.of({"a": start}, steps=2)
    data = encode_tensors({"a": end}, {"images": IMAGES})
    update = form.match_layout(in_one_block(data))
    assert update is not None
    exact = update_norm({"a": end}, {"a": start})
    assert rough_norm(form.values_in_place(update), form) <= exact * (1 - hidden)
    fast, careful = both(data, exact * (1 - 1e-7), form)
    assert (fast, careful) == (None, None)
    fast, careful = both(data, exact * (1 + 1e-7), form)
    assert fast is None, "it is within by a hair"
    assert careful is not None
