"""PReLU with its own gradient, whose speed is that of the memory (ADR 16).

The gradient of `nn.PReLU` takes a quarter to a third of a training step on a CPU, because it branches on each value's sign,
which no processor can predict. Here every value passes through equal operations, whatever its sign. The results are those
of `nn.PReLU`.

Suffixes of tensor names: N images, C channels, H×W pixels, K clients that train side by side.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

_threshold_backward = torch.ops.aten.threshold_backward


class PReLU(nn.PReLU):
    """``max(0, x) + a·min(0, x)`` with a slope ``a`` for each channel; it takes the place of `nn.PReLU`."""

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """The activations (N, C, H, W) of ``x_NCHW``. `RuntimeError` if it has another number of channels than slopes."""
        # In each call, torch inspects the arguments of a function that supports vmap, which takes longer than the function.
        # A plain function does not support vmap, and under vmap torch raises before it starts. So only vmap pays.
        try:
            return _PReLU.apply(x_NCHW, self.weight)  # type: ignore[no-any-return, no-untyped-call]
        except RuntimeError:
            return _VmapPReLU.apply(x_NCHW, self.weight)  # type: ignore[no-any-return, no-untyped-call]


class _PReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_NCHW: Tensor, slope_C: Tensor) -> Tensor:
        ctx.save_for_backward(x_NCHW, slope_C)
        return torch.prelu(x_NCHW, slope_C)

    @staticmethod
    def backward(ctx: Any, gradient_NCHW: Tensor) -> tuple[Tensor, Tensor]:
        x_NCHW, slope_C = ctx.saved_tensors
        if x_NCHW.is_contiguous(memory_format=torch.channels_last):  # An operation on two layouts is slow.
            gradient_NCHW = gradient_NCHW.contiguous(memory_format=torch.channels_last)
        slope_gradient_C = x_NCHW.clamp(max=0).mul_(gradient_NCHW).sum(dim=(0, 2, 3))
        positive_NCHW = _threshold_backward(gradient_NCHW, x_NCHW, 0)  # The gradient where x > 0, and 0 elsewhere.
        return positive_NCHW.lerp_(gradient_NCHW, slope_C.view(-1, 1, 1)), slope_gradient_C


class _VmapPReLU(torch.autograd.Function):
    """PReLU of several clients at once, by vmap: the channels of all clients lie side by side."""

    @staticmethod
    def forward(x_NCHW: Tensor, slope_C: Tensor) -> Tensor:
        return torch.prelu(x_NCHW, slope_C)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        """Nothing is needed for the gradient: `vmap` applies `_PReLU`, which has its own."""

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int, int], x: Tensor, slopes: Tensor) -> tuple[Tensor, int]:
        x_dim, slopes_dim = in_dims
        x_NKCHW = x.movedim(x_dim, 1)
        slopes_KC = slopes.movedim(slopes_dim, 0)
        y_NCHW = _PReLU.apply(x_NKCHW.flatten(1, 2), slopes_KC.flatten())  # type: ignore[no-untyped-call]
        return y_NCHW.unflatten(1, (info.batch_size, -1)), 1
