"""Convolutions of K clients as one batched product of matrices, for GPUs.

Under `vmap`, torch turns the convolutions of K networks into one with K groups, which GPUs compute far below their speed.
Here the pixels under the kernel are laid side by side as rows (im2col: Chellapilla et al., IWFHR 2006), and the products of
these rows with the kernels of each client are one batched product.

Suffixes of tensor names: N images, C channels, O channels of the output, H×W pixels, P the pixels under a kernel times C.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

_Pair = tuple[int, int]


class ConvolutionsAsProducts(TorchFunctionMode):
    """A block in which ``torch.nn.functional.conv2d`` without groups is computed as a product of matrices.

    Images are best laid out as N, H, W, C, and kernels as O, H, W, C. Results differ from a convolution's by rounding.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Compute what ``func`` does; torch calls this for each of its functions."""
        if func is functional.conv2d and not kwargs and len(args) == 7 and args[6] == 1 and not isinstance(args[4], str):
            x_NCHW, kernels_OCHW, bias_O, stride, padding, dilation, _groups = args
            return _convolution(
                x_NCHW, kernels_OCHW, bias_O, _Window(tuple(kernels_OCHW.shape[2:]), stride, padding, dilation)
            )
        return func(*args, **(kwargs or {}))


class _Window(NamedTuple):
    """Where a kernel looks, by rows and columns."""

    size: _Pair
    stride: _Pair
    padding: _Pair
    dilation: _Pair

    def outputs(self, pixels: int, axis: int) -> int:
        """How many places the kernel has along an axis with so many pixels."""
        reach = self.dilation[axis] * (self.size[axis] - 1)
        return (pixels + 2 * self.padding[axis] - reach - 1) // self.stride[axis] + 1

    def slices(self, height: int, width: int) -> Iterator[tuple[slice, slice]]:
        """For each pixel of the kernel, what it meets of the padded image at all places."""
        rows, columns = (self._slices(pixels, axis) for axis, pixels in enumerate((height, width)))
        return ((row, column) for row in rows for column in columns)

    def _slices(self, pixels: int, axis: int) -> list[slice]:
        last = self.stride[axis] * (self.outputs(pixels, axis) - 1) + 1
        firsts = [self.dilation[axis] * place for place in range(self.size[axis])]
        return [slice(first, first + last, self.stride[axis]) for first in firsts]


def _convolution(x_NCHW: Tensor, kernels_OCHW: Tensor, bias_O: Tensor | None, window: _Window) -> Tensor:
    rows_NHWP = _Rows.apply(x_NCHW, window)  # type: ignore[no-untyped-call]
    kernels_OP = kernels_OCHW.permute(0, 2, 3, 1).flatten(1)
    y_NHWO = functional.linear(rows_NHWP, kernels_OP, bias_O)
    return y_NHWO.permute(0, 3, 1, 2)


class _Rows(torch.autograd.Function):
    """The pixels under the kernel at each of its places, as rows (N, H, W, P). Gradients are added in one order."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x_NCHW: Tensor, window: _Window) -> Tensor:
        above, beside = window.padding
        height, width = x_NCHW.shape[-2:]
        padded_NHWC = functional.pad(x_NCHW.permute(0, 2, 3, 1), (0, 0, beside, beside, above, above))
        seen = [padded_NHWC[:, rows, columns] for rows, columns in window.slices(height, width)]
        return torch.cat(seen, dim=-1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, _Window], _output: Tensor) -> None:
        x_NCHW, ctx.window = inputs
        ctx.shape = x_NCHW.shape

    @staticmethod
    def backward(ctx: Any, gradient_NHWP: Tensor) -> tuple[Tensor, None]:
        window: _Window = ctx.window
        count, channels, height, width = ctx.shape
        above, beside = window.padding
        padded_NHWC = gradient_NHWP.new_zeros(count, height + 2 * above, width + 2 * beside, channels)
        parts = torch.split(gradient_NHWP, channels, dim=-1)
        for (rows, columns), part_NHWC in zip(window.slices(height, width), parts, strict=True):
            padded_NHWC[:, rows, columns] += part_NHWC
        return padded_NHWC[:, above : above + height, beside : beside + width].permute(0, 3, 1, 2), None
