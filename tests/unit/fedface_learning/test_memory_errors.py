"""Which errors say that memory was short. All others may say something of the data, and are the client's."""

from __future__ import annotations

import pytest
import torch

from fedface_learning.memory_errors import is_out_of_memory


def error_of_torch() -> Exception:
    """The error that this torch gives if it is asked for more memory than any machine has."""
    try:
        torch.empty(2**60, dtype=torch.uint8)
    except RuntimeError as error:
        return error
    raise AssertionError("no machine has an exbibyte")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: not enough memory"),
        error_of_torch(),
    ],
)
def test_an_allocation_that_failed_is_known(error: Exception) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        ValueError("out of memory"),
        OSError("Cannot allocate memory"),
        KeyError("not enough memory"),
    ],
)
def test_no_other_error_is_taken_for_one(error: Exception) -> None:
    assert not is_out_of_memory(error)
