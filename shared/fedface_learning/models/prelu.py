"""PReLU with its own gradient, whose speed is that of the memory (ADR 16).

The gradient of `nn.PReLU` takes a quarter to a third of a training step on a CPU, because it branches on each value's sign,
which no processor can predict. Here every value passes through equal operations, whatever its sign. The results are those
of `nn.PReLU`. A GPU has no such trouble, and gets torch's own.

Suffixes of tensor names: N images, C channels, H×W pixels, K clients that train side by side.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from fedface_core.domain.device_kinds import CUDA

_threshold_backward = torch.ops.aten.threshold_backward


class PReLU(nn.PReLU):
    """``max(0, x) + a·min(0, x)`` with a slope ``a`` for each channel; it takes the place of `nn.PReLU`."""

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """The activations (N, C, H, W) of ``x_NCHW``. `RuntimeError` if it has another number of channels than slopes."""
        return self.of(x_NCHW, self.weight)

    @staticmethod
    def of(x_NCHW: Tensor, slope_C: Tensor) -> Tensor:
        """The activations of ``x_NCHW`` with these slopes (C,), by the function that fits."""
        if x_NCHW.device.type == CUDA:
            return torch.prelu(x_NCHW, slope_C.to(x_NCHW.dtype))  # one kernel, which keeps the layout
        # In each call, torch inspects the arguments of a function that supports vmap, which takes longer than the function.
        # A plain one does not support it. `Function.apply` asks torch the question below, which has no public name.
        if torch._C._are_functorch_transforms_active():  # noqa: SLF001
            return _VmapPReLU.apply(x_NCHW, slope_C)  # type: ignore[no-any-return, no-untyped-call]
        return _PReLU.apply(x_NCHW, slope_C)  # type: ignore[no-any-return, no-untyped-call]


class _PReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_NCHW: Tensor, slope_C: Tensor) -> Tensor:
        ctx.save_for_backward(x_NCHW, slope_C)
        return torch.prelu(x_NCHW, slope_C.to(x_NCHW.dtype))  # in mixed precision the slopes are float32

    @staticmethod
    def backward(ctx: Any, gradient_NCHW: Tensor) -> tuple[Tensor, Tensor]:
        x_NCHW, slope_C = ctx.saved_tensors
        if x_NCHW.is_contiguous(memory_format=torch.channels_last):  # An operation on two layouts is slow.
            gradient_NCHW = gradient_NCHW.contiguous(memory_format=torch.channels_last)
        slope_gradient_C = x_NCHW.clamp(max=0).mul_(gradient_NCHW).sum(dim=(0, 2, 3), dtype=slope_C.dtype)
        positive_NCHW = _threshold_backward(gradient_NCHW, x_NCHW, 0)  # The gradient where x > 0, and 0 elsewhere.
        slope_C11 = slope_C.to(gradient_NCHW.dtype).view(-1, 1, 1)
        return positive_NCHW.lerp_(gradient_NCHW, slope_C11), slope_gradient_C


class _VmapPReLU(torch.autograd.Function):
    """PReLU under the transforms of `torch.func`.

    Under `vmap` the channels of all clients lie side by side, and `_PReLU` computes them at once, with its own gradient. The
    gradient here is for `vmap` of `grad`: there nothing may change a tensor in place, nor ask for its layout.
    """

    @staticmethod
    def forward(x_NCHW: Tensor, slope_C: Tensor) -> Tensor:
        return torch.prelu(x_NCHW, slope_C.to(x_NCHW.dtype))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], _output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient_NCHW: Tensor) -> tuple[Tensor, Tensor]:
        x_NCHW, slope_C = ctx.saved_tensors
        slope_C11 = slope_C.to(gradient_NCHW.dtype).view(-1, 1, 1)
        slope_gradient_C = (x_NCHW.clamp(max=0) * gradient_NCHW).sum(dim=(0, 2, 3), dtype=slope_C.dtype)
        return torch.where(x_NCHW > 0, gradient_NCHW, slope_C11 * gradient_NCHW), slope_gradient_C

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, int | None], x: Tensor, slopes: Tensor) -> tuple[Tensor, int]:
        x_NKCHW = _with_clients(x, in_dims[0], 1, info.batch_size)
        slopes_KC = _with_clients(slopes, in_dims[1], 0, info.batch_size)
        y_NCHW = PReLU.of(x_NKCHW.flatten(1, 2), slopes_KC.flatten())
        return y_NCHW.view(len(y_NCHW), info.batch_size, -1, *y_NCHW.shape[2:]), 1


def _with_clients(tensor: Tensor, axis: int | None, wanted: int, clients: int) -> Tensor:
    """The tensor with its axis of clients at ``wanted``; if it has none, all clients have it in common."""
    if axis is not None:
        return tensor.movedim(axis, wanted)
    return tensor.unsqueeze(wanted).expand(*tensor.shape[:wanted], clients, *tensor.shape[wanted:])
