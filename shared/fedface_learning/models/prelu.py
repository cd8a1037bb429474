"""PReLU with a gradient that runs at the speed of memory.

`nn.PReLU`'s own takes a quarter to a third of a training step on a CPU: it decides value by value, and what it decides is
as good as random. Here each value goes through the same few operations, whatever its sign. Both give the same numbers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

_threshold_backward = torch.ops.aten.threshold_backward


class PReLU(nn.PReLU):
    """``max(0, x) + a·min(0, x)`` with a slope for each channel; a drop-in for `nn.PReLU`."""

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """See the class."""
        # Torch binds the arguments of a function that can be mapped over clients anew in each call, which takes longer than
        # the function itself. A plain one cannot be mapped, and torch says so before it begins: only those who map pay.
        try:
            return _PReLU.apply(x_NCHW, self.weight)  # type: ignore[no-any-return, no-untyped-call]
        except RuntimeError:
            return _MappedPReLU.apply(x_NCHW, self.weight)  # type: ignore[no-any-return, no-untyped-call]


class _PReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_NCHW: Tensor, slope_C: Tensor) -> Tensor:
        ctx.save_for_backward(x_NCHW, slope_C)
        return torch.prelu(x_NCHW, slope_C)

    @staticmethod
    def backward(ctx: Any, gradient_NCHW: Tensor) -> tuple[Tensor, Tensor]:
        x_NCHW, slope_C = ctx.saved_tensors
        if x_NCHW.is_contiguous(memory_format=torch.channels_last):  # two layouts in one operation are slow
            gradient_NCHW = gradient_NCHW.contiguous(memory_format=torch.channels_last)
        slope_gradient_C = x_NCHW.clamp(max=0).mul_(gradient_NCHW).sum(dim=(0, 2, 3))
        kept_NCHW = _threshold_backward(gradient_NCHW, x_NCHW, 0)  # where x > 0, and 0 elsewhere
        return kept_NCHW.lerp_(gradient_NCHW, slope_C.view(-1, 1, 1)), slope_gradient_C


class _MappedPReLU(torch.autograd.Function):
    """Of several clients at once: their channels side by side."""

    @staticmethod
    def forward(x_NCHW: Tensor, slope_C: Tensor) -> Tensor:
        return torch.prelu(x_NCHW, slope_C)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        """The gradient is that of `_PReLU`, which `vmap` applies."""

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int, int], x: Tensor, slopes: Tensor) -> tuple[Tensor, int]:
        across, down = in_dims
        y_NKHW = _PReLU.apply(x.movedim(across, 1).flatten(1, 2), slopes.movedim(down, 0).flatten())  # type: ignore[no-untyped-call]
        return y_NKHW.unflatten(1, (info.batch_size, -1)), 1
