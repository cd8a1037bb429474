"""The effects of `use_deterministic_torch` on a process; this folder's conftest has called it."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor

from fedface_learning.seeding import use_deterministic_torch


def test_sums_are_split_over_the_threads_asked_for() -> None:
    assert torch.get_num_threads() == 1


def test_an_operation_that_is_not_deterministic_is_refused() -> None:
    with pytest.raises(RuntimeError, match="deterministic"):
        torch.nn.functional.max_unpool2d(torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1, dtype=torch.int64), [2, 2])


def test_denormals_are_zero() -> None:
    use_deterministic_torch(1)  # the setting is of the process: a test of another folder may have taken it back
    tiny: Tensor = torch.tensor([1e-38]) / 100
    assert tiny.item() == 0.0


def test_a_process_does_not_load_torchs_compiler_for_it() -> None:
    """It would cost each worker process a second and a hundred megabytes."""
    script = "from fedface_learning.seeding import use_deterministic_torch as use; use(1); import sys, torch; "
    script += "assert torch.are_deterministic_algorithms_enabled(); print('torch._dynamo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "False\n"
