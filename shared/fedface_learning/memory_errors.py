"""Tells whether an error says that memory was short, which says nothing about the data that was computed with."""

from __future__ import annotations

from typing import Final

import torch

_SIGNS: Final = ("not enough memory", "can't allocate memory", "out of memory")
"""What the messages of torch's allocators for the CPU and for accelerators have in common."""


def is_out_of_memory(error: Exception) -> bool:
    """Whether the error says that memory was short. Torch reports that as a `RuntimeError` if no accelerator is involved."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)
