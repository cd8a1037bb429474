"""Our PReLU against torch's: the same values and gradients, in either layout, alone and vectorised."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from fedface_learning.models.prelu import PReLU

DRAWS = torch.Generator().manual_seed(0)
X_NCHW = torch.randn(3, 5, 4, 2, generator=DRAWS).index_fill_(0, torch.tensor([2]), 0.0)  # Also zeros, where it bends.
GRADIENT_NCHW = torch.randn(3, 5, 4, 2, generator=DRAWS)
SLOPES_C = torch.tensor([0.25, -0.5, 0.0, 1.0, 2.0])


def with_gradients(module: nn.PReLU, x_NCHW: Tensor) -> tuple[Tensor, ...]:
    module.weight.data = SLOPES_C.clone()
    x_NCHW = x_NCHW.detach().requires_grad_()
    y_NCHW = module(x_NCHW)
    y_NCHW.backward(GRADIENT_NCHW)
    assert x_NCHW.grad is not None
    assert module.weight.grad is not None
    return y_NCHW.detach(), x_NCHW.grad, module.weight.grad


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_it_is_torchs(layout: torch.memory_format) -> None:
    x_NCHW = X_NCHW.contiguous(memory_format=layout)
    y_NCHW, *gradients = with_gradients(PReLU(5), x_NCHW)
    expected_NCHW, *expected_gradients = with_gradients(nn.PReLU(5), x_NCHW)
    assert torch.equal(y_NCHW, expected_NCHW)
    for found, expected in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


def test_gradients_are_those_of_finite_differences() -> None:
    module = PReLU(5).double()
    x_NCHW = X_NCHW[:2].double().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, slopes: functional_call(module, {"weight": slopes}, x), (x_NCHW, module.weight)
    )


@pytest.mark.parametrize("channels", [4, 6])
def test_what_is_wrong_with_its_input_is_said_and_not_taken_for_vectorised_clients(channels: int) -> None:
    with pytest.raises(RuntimeError, match=rf"parameter numbers = 5 and channel size = {channels}"):
        PReLU(5)(torch.zeros(2, channels, 3, 3))


@pytest.mark.parametrize("transformed", [False, True])
def test_an_error_of_torch_comes_through_and_nothing_is_computed_again(
    monkeypatch: pytest.MonkeyPatch, transformed: bool
) -> None:
    calls: list[int] = []

    def fails(*_: Tensor) -> Tensor:
        calls.append(1)
        raise RuntimeError("the memory is full")

    monkeypatch.setattr(torch, "prelu", fails)
    layer = vmap(PReLU(5)) if transformed else PReLU(5)
    with pytest.raises(RuntimeError, match="the memory is full") as raised:
        layer(torch.zeros(3, 2, 5, 3, 3) if transformed else torch.zeros(2, 5, 3, 3))
    assert (len(calls), raised.value.__context__) == (1, None)


def test_vectorised_it_is_each_of_them() -> None:
    xs = torch.stack([X_NCHW, X_NCHW.flip(0), -X_NCHW])
    slopes = torch.stack([SLOPES_C, SLOPES_C.flip(0), SLOPES_C / 2])
    module = PReLU(5)
    many = vmap(lambda x, slope: functional_call(module, {"weight": slope}, x))(xs, slopes)
    for found, x_NCHW, slopes_C in zip(many, xs, slopes, strict=True):
        assert torch.equal(found, torch.prelu(x_NCHW, slopes_C))


def test_the_gradients_of_single_clients_are_those_of_nn_prelu() -> None:
    """``vmap`` of ``grad``: each client has slopes of its own, and images of its own or in common with others."""
    draws = torch.Generator().manual_seed(5)
    x_KNCHW = torch.randn(3, 2, 4, 5, 6, generator=draws)
    slopes_KC = torch.rand(3, 4, generator=draws)

    def loss(slope_C: Tensor, x_NCHW: Tensor, layer: nn.PReLU) -> Tensor:
        y_NCHW: Tensor = functional_call(layer, {"weight": slope_C}, (x_NCHW,))
        return y_NCHW.square().sum()

    def gradients(layer: nn.PReLU, axis: int | None, x: Tensor) -> tuple[Tensor, ...]:
        of_each = vmap(grad(partial(loss, layer=layer), argnums=(0, 1)), in_dims=(0, axis))
        found: tuple[Tensor, ...] = of_each(slopes_KC, x)
        return found

    for axis, x in ((0, x_KNCHW), (None, x_KNCHW[0])):
        ours = gradients(PReLU(4), axis, x)
        torchs = gradients(nn.PReLU(4), 0, x.expand(3, 2, 4, 5, 6))
        for one, other in zip(ours, torchs, strict=True):
            torch.testing.assert_close(one, other)


def test_in_mixed_precision_the_slopes_stay_float32() -> None:
    layer = PReLU(4)
    x_NCHW = torch.randn(2, 4, 5, 6, generator=torch.Generator().manual_seed(6)).bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        y_NCHW = layer(x_NCHW)
    y_NCHW.float().sum().backward()
    assert y_NCHW.dtype is torch.bfloat16
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype is torch.float32
    negative_C = x_NCHW.detach().float().clamp(max=0).sum(dim=(0, 2, 3))
    torch.testing.assert_close(layer.weight.grad, negative_C, rtol=1e-2, atol=1e-2)
