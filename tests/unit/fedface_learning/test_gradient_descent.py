"""Steps equal those of `torch.optim.SGD` to the bit, and training loads nothing of torch's compiler."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor

from fedface_learning.gradient_descent import GradientDescent, ParameterGroup


def parameters() -> list[Tensor]:
    drawn = torch.Generator().manual_seed(3)
    return [torch.randn(shape, generator=drawn).requires_grad_() for shape in ((3, 5), (7,), (2, 2))]


def give_gradients(trained: list[Tensor], step: int) -> None:
    drawn = torch.Generator().manual_seed(step)
    for parameter in trained:
        parameter.grad = torch.randn(parameter.shape, generator=drawn)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_steps_are_those_of_torchs_class(fused: bool, momentum: float) -> None:
    ours = parameters()
    theirs = parameters()
    descent = GradientDescent([ParameterGroup(ours[:2], 0.1), ParameterGroup(ours[2:], 0.01)], momentum, fused=fused)
    reference = torch.optim.SGD(
        [{"params": theirs[:2], "lr": 0.1}, {"params": theirs[2:], "lr": 0.01}], momentum=momentum, fused=fused
    )
    for step in range(4):
        give_gradients(ours, step)
        give_gradients(theirs, step)
        descent.step()
        reference.step()
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


def test_a_parameter_without_a_gradient_stays_as_it_is() -> None:
    trained = parameters()
    before = [parameter.detach().clone() for parameter in trained]
    descent = GradientDescent([ParameterGroup(trained, 0.1)], 0.9, fused=False)
    descent.step()
    trained[1].grad = torch.ones(7)
    descent.step()
    assert torch.equal(trained[0], before[0])
    assert torch.allclose(trained[1], before[1] - 0.1)
    descent.zero_grad()
    assert trained[1].grad is None


@pytest.mark.slow
def test_a_run_loads_nothing_of_torchs_compiler() -> None:
    """It would cost each process of a client seconds of CPU and a hundred megabytes."""
    script = """
import sys
from fedface_core.domain.plan import Plan
from fedface_learning.simulation.simulate import simulate
size = {"height": 32, "width": 32, "channels": 1, "embedding_size": 4, "widths": [2, 2, 2, 4]}
model = {"architecture": "spherenet-4", **size}
simulate(Plan.model_validate({"model": model, "split": {"clients": 2, "test": 2}, "rounds": 1}))
print(*sorted({"torch._dynamo", "sympy"} & set(sys.modules)))
"""
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "\n"
