"""BCH codes: those of the tables, and codewords that are as far apart as they promise."""

from __future__ import annotations

import itertools

import pytest
import torch

from fedface_learning.objectives.codewords import widest_code


@pytest.mark.parametrize(
    ("length", "message_bits", "of_table"),
    [
        # Lin and Costello, Error Control Coding, table of BCH codes: n, k, t; with the further bit, 2t + 2 bits differ.
        (8, 4, (7, 4, 1)),
        (16, 7, (15, 7, 2)),
        (32, 16, (31, 16, 3)),
        (128, 64, (127, 64, 10)),
        (256, 131, (255, 131, 18)),
    ],
)
def test_codes_are_those_of_the_tables(length: int, message_bits: int, of_table: tuple[int, int, int]) -> None:
    code = widest_code(length, message_bits)
    bits, encoded, errors = of_table
    assert (code.length, code.message_bits, code.distance) == (bits + 1, encoded, 2 * errors + 2)
    assert code.generator.bit_length() - 1 == bits - encoded


def test_the_generator_of_the_code_of_fifteen_bits() -> None:
    assert widest_code(16, 7).generator == 0o721, "x^8 + x^7 + x^6 + x^4 + 1"


def test_any_two_codewords_differ_in_as_many_bits_as_the_code_says() -> None:
    code = widest_code(16, 7)
    messages_CK = torch.tensor(list(itertools.product([0, 1], repeat=7)))
    words_CL = code.encode(messages_CK)
    assert torch.equal(words_CL[:, :7], messages_CK)
    differing_CC = (words_CL.unsqueeze(0) != words_CL.unsqueeze(1)).sum(dim=2)
    assert int(differing_CC[differing_CC > 0].min()) == code.distance == 6
    assert int((differing_CC == 0).sum()) == 128


def test_a_code_is_as_long_as_its_message_needs() -> None:
    assert widest_code(4, 64).length == 128
    assert widest_code(100, 8).length == 128
    assert widest_code(100, 8).message_bits == 8
    with pytest.raises(ValueError, match="no code of up to 4096 bits"):
        widest_code(4097, 8)
