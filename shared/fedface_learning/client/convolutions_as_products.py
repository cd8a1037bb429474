"""Convolutions of K clients as one batched product of matrices, for GPUs.

Under `vmap`, torch turns the convolutions of K networks into one with K groups, which GPUs compute far below their speed.
Here the pixels under the kernel are laid side by side as rows (im2col: Chellapilla et al., IWFHR 2006), and the products of
these rows with the kernels of each client are one batched product.

Suffixes of tensor names: N images, C channels, O channels of the output, H×W pixels, P the pixels under a
kernel times C, R all places of a kernel in all images.
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
            window = _Window(tuple(kernels_OCHW.shape[2:]), stride, padding, dilation)
            return _Convolution.apply(x_NCHW, kernels_OCHW, bias_O, window)  # type: ignore[no-untyped-call]
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


class _Convolution(torch.autograd.Function):
    """A convolution by rows. They are nine times the pixels, so they are not kept for the gradient, but made again."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x_NCHW: Tensor, kernels_OCHW: Tensor, bias_O: Tensor | None, window: _Window) -> Tensor:
        y_NHWO = functional.linear(_rows(x_NCHW, window), _flat(kernels_OCHW), bias_O)
        return y_NHWO.permute(0, 3, 1, 2)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None, _Window], _output: Tensor) -> None:
        x_NCHW, kernels_OCHW, _, ctx.window = inputs
        ctx.save_for_backward(x_NCHW, kernels_OCHW)

    @staticmethod
    def backward(ctx: Any, gradient_NOHW: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None, None]:
        x_NCHW, kernels_OCHW = ctx.saved_tensors
        outputs, channels, height, width = kernels_OCHW.shape
        gradient_NHWO = gradient_NOHW.permute(0, 2, 3, 1)
        gradient_RO = gradient_NHWO.flatten(0, 2)
        of_kernels_OP = gradient_RO.T @ _rows(x_NCHW, ctx.window).flatten(0, 2)
        of_kernels_OCHW = of_kernels_OP.view(outputs, height, width, channels).permute(0, 3, 1, 2)
        of_x_NCHW = None
        if ctx.needs_input_grad[0]:
            of_x_NCHW = _added(gradient_NHWO @ _flat(kernels_OCHW), x_NCHW, ctx.window)
        return of_x_NCHW, of_kernels_OCHW, gradient_RO.sum(dim=0) if ctx.needs_input_grad[2] else None, None


def _flat(kernels_OCHW: Tensor) -> Tensor:
    """The kernels as rows (O, P), with pixels in the order of `_rows`."""
    return kernels_OCHW.permute(0, 2, 3, 1).flatten(1)


def _rows(x_NCHW: Tensor, window: _Window) -> Tensor:
    """The pixels under the kernel at each of its places, (N, H, W, P)."""
    above, beside = window.padding
    padded_NHWC = functional.pad(x_NCHW.permute(0, 2, 3, 1), (0, 0, beside, beside, above, above))
    if window.dilation == (1, 1):  # then a view has the rows, and one kernel copies it
        by_row_NHWCh = padded_NHWC.unfold(1, window.size[0], window.stride[0])
        by_pixel_NHWChw = by_row_NHWCh.unfold(2, window.size[1], window.stride[1])
        return by_pixel_NHWChw.permute(0, 1, 2, 4, 5, 3).flatten(3)
    seen = [padded_NHWC[:, rows, columns] for rows, columns in window.slices(*x_NCHW.shape[-2:])]
    return torch.cat(seen, dim=-1)


def _added(rows_NHWP: Tensor, x_NCHW: Tensor, window: _Window) -> Tensor:
    """The gradient of `_rows`: what the rows have for each pixel of ``x_NCHW``, added in one order."""
    count, channels, height, width = x_NCHW.shape
    above, beside = window.padding
    padded_NHWC = rows_NHWP.new_zeros(count, height + 2 * above, width + 2 * beside, channels)
    parts = torch.split(rows_NHWP, channels, dim=-1)
    for (rows, columns), part_NHWC in zip(window.slices(height, width), parts, strict=True):
        padded_NHWC[:, rows, columns] += part_NHWC
    return padded_NHWC[:, above : above + height, beside : beside + width].permute(0, 3, 1, 2)
