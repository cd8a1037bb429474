"""Masks: a known key stream, sums that cancel, and vectors that look random."""

from __future__ import annotations

import numpy as np
import pytest

from fedface_learning.masking import Vector, add_masks, remove_masks

# AES-256 under the key of zeros, of counters 0 and 1: McGrew and Viega, *The Galois/Counter Mode of Operation*, 2005, test
# case 13, as H and as the block that is added to the tag.
FIRST_BLOCKS = bytes.fromhex("dc95c078a2408989ad48a21492842087530f8afbc74536b9a963b4f1c4cb738b")


def numbers(length: int, seed: int = 0) -> Vector:
    return np.random.default_rng(seed).integers(0, 2**64, length, dtype=np.uint64)


def test_a_mask_is_the_key_stream_of_aes_256_in_counter_mode() -> None:
    vector = np.zeros(4, dtype=np.uint64)
    add_masks(vector, [(bytes(32), 1)])
    assert vector.astype("<u8").tobytes() == FIRST_BLOCKS


@pytest.mark.parametrize("length", [0, 1, 3, 2**15 - 1, 2**15, 2**15 + 1, 3 * 2**15 + 5])
def test_what_is_added_is_taken_out(length: int) -> None:
    plain = numbers(length)
    masked = plain.copy()
    masks = [(bytes([1]) * 32, 1), (bytes([2]) * 32, -1)]
    add_masks(masked, masks)
    if length > 10:
        assert (masked != plain).mean() > 0.99
    remove_masks(masked, masks)
    assert (masked == plain).all()


def test_a_long_vector_has_one_mask_and_not_one_for_each_block() -> None:
    short = np.zeros(2**15 + 8, dtype=np.uint64)
    long = np.zeros(2**16 + 8, dtype=np.uint64)
    for vector in (short, long):
        add_masks(vector, [(bytes([7]) * 32, 1)])
    assert (long[: len(short)] == short).all()
    assert len(np.unique(long)) == len(long)


def test_a_masked_vector_of_zeros_is_uniform() -> None:
    """Pearson's χ² over the 256 values of each byte: with 255 degrees of freedom, above 380 once in 10⁶ times."""
    masked = np.zeros(50_000, dtype=np.uint64)
    add_masks(masked, [(bytes([place]) * 32, (-1) ** place) for place in range(3)])
    for place in range(8):
        counts = np.bincount(masked.view(np.uint8)[place::8], minlength=256)
        expected = len(masked) / 256
        assert 150 < float(((counts - expected) ** 2 / expected).sum()) < 380


def test_a_seed_has_32_bytes_and_a_mask_a_sign() -> None:
    with pytest.raises(AssertionError, match="a key of AES-256"):
        add_masks(numbers(4), [(bytes(16), 1)])
    with pytest.raises(AssertionError, match="added or taken away"):
        add_masks(numbers(4), [(bytes(32), 0)])
