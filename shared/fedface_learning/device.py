"""The device that is computed on: which there is, how torch is set for it, and the way of tensors to it and back.

Everything that depends on the kind of device is here. Other code takes the device of the tensors that it is given, so on a
CPU every function here does nothing, and results keep their bits.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from fedface_core.domain.device_kinds import CPU, CUDA, DeviceChoice, DeviceKind, Precision
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan.compute import ComputePlan, complaint_about

HOST: Final = torch.device(CPU)

_WORKSPACE: Final = ("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
"""With it cuBLAS adds in a fixed order. It is read when a process first multiplies on a GPU."""
# Asks the driver how many GPUs there are, without the start of CUDA, after which a process may not fork.
_COUNT_BY_DRIVER: Final = ("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
_MOST_PINNED: Final = 1 << 28
"""Bytes of a copy on its way to a GPU: several times the photographs of a group, and less than those of a data set."""
_LONGEST_NAME: Final = 100
NetworkT = TypeVar("NetworkT", bound=nn.Module)


def has_gpu() -> bool:
    """Whether torch reaches a GPU by CUDA. CUDA itself is not started, so the process may still fork."""
    os.environ.setdefault(*_COUNT_BY_DRIVER)
    return torch.cuda.is_available()


def chosen_device(choice: DeviceChoice) -> DeviceKind:
    """The kind of device that a command computes on. `InvalidInputError` if it is to be a GPU, and there is none."""
    if choice == "auto":
        return CUDA if has_gpu() else CPU
    require_device(choice)
    return choice


def require_device(kind: DeviceKind) -> None:
    """`InvalidInputError` unless this process can compute on a device of this kind."""
    if kind == CUDA and not has_gpu():
        build = "is built for the CPU alone" if torch.version.cuda is None else "finds no GPU"
        raise InvalidInputError(
            f"the device is 'cuda', and torch {torch.__version__} {build}: use 'cpu', or install a build of torch with CUDA "
            "on a machine with a GPU of NVIDIA"
        )


def prepare_device(compute: ComputePlan) -> torch.device:
    """The plan's device, with torch set to compute there in the plan's precision and always alike.

    Call this before the work of each plan: plans of one process may differ in precision. `InvalidInputError` if there is no
    such device.
    """
    return set_up(compute.device, compute.precision)


def set_up(kind: DeviceKind, precision: Precision) -> torch.device:
    """As `prepare_device`, for a device and a precision that no plan names. `InvalidInputError` if they do not fit."""
    require_device(kind)
    complaint = complaint_about(kind, precision)
    if complaint is not None:
        raise InvalidInputError(complaint)
    if kind == CPU:
        return HOST
    os.environ.setdefault(*_WORKSPACE)
    torch.set_deterministic_debug_mode("error")
    torch.backends.cudnn.benchmark = False  # by trial it would choose another kernel each time
    torch.backends.cudnn.deterministic = True
    # By default the deterministic mode fills new memory, pinned memory too, to show reads of unset values.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    # By torch's default, convolutions are in TF32 on a GPU and products of matrices are not.
    torch.backends.cuda.matmul.allow_tf32 = precision != "float32"
    torch.backends.cudnn.allow_tf32 = precision != "float32"
    return torch.device(CUDA)


def in_precision(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """A block in which products are computed in ``bfloat16`` if that is the precision; else it changes nothing."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext()


def full_product(left: Tensor, right: Tensor) -> Tensor:
    """The product of two matrices in float32, whatever the precision of the plan: for scores, which are compared."""
    if left.device.type == CPU:
        return left @ right
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        return left @ right
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def sum_in_float64(numbers_n: Tensor) -> float:
    """The sum of the numbers (n,), added in float64 where they are; on a CPU in NumPy's order."""
    if numbers_n.device.type == CPU:
        return float(numbers_n.numpy().sum(dtype=np.float64))
    return float(numbers_n.sum(dtype=torch.float64))


def making_tensors_on(device: torch.device) -> AbstractContextManager[object]:
    """A block in which new tensors are made on the device, so that a strategy need not know of it."""
    return nullcontext() if device.type == CPU else device


def copy_on(network: NetworkT, device: torch.device) -> NetworkT:
    """The network itself if it is on the device, else a copy of it there."""
    here = next(network.parameters()).device.type
    return network if here == device.type else deepcopy(network).to(device)


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on the device: itself if it is there, else a copy, on its way to a GPU while the processor goes on.

    A large tensor is waited for: on its way it would be in memory twice, in up to twice its bytes, and torch keeps those.
    """
    if tensor.device.type == device.type:
        return tensor
    if device.type == CPU or tensor.nbytes > _MOST_PINNED:
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def indices_on(device: torch.device, indices_N: npt.NDArray[np.intp]) -> Tensor:
    """A copy of the indices (N,) on the device, int64; as `moved` does, without waiting for a GPU."""
    return moved(torch.tensor(indices_N, dtype=torch.int64), device)


def all_moved(tensors: Mapping[str, Tensor], device: torch.device) -> Mapping[str, Tensor]:
    """The tensors on the device, by name: the mapping itself if they are all there.

    A single number (a tensor without axes) stays in the memory of the processor, which goes by it without waiting for a GPU.
    """
    if all(tensor.device.type == device.type for tensor in tensors.values()):
        return tensors
    return {name: moved(tensor, device) if tensor.dim() else tensor for name, tensor in tensors.items()}


def on_host(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors in the memory of the processor. All copies from a GPU are under way at once, and waited for together."""
    copies: dict[str, Tensor] = {}
    waits = False
    for name, tensor in tensors.items():
        if tensor.device.type == CPU:
            copies[name] = tensor
            continue
        pinned = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        copies[name] = pinned.copy_(tensor, non_blocking=True)
        waits = True
    if waits:
        torch.cuda.current_stream().synchronize()
    return copies


def copy_back(there: nn.Module, network: nn.Module) -> None:
    """Give the network the values of its copy ``there``, which `copy_on` has made; nothing if it is the network itself."""
    if there is not network:
        network.load_state_dict(on_host(there.state_dict()))


def recorded(work: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """A function that does the work on the device again, from the same memory into the same memory.

    On a GPU the work is done once, then recorded (a CUDA graph), and played back without waiting for the processor. So it
    must not ask for a value of a tensor. Whatever it allocates stays allocated as long as the function that is returned.
    """
    if device.type == CPU:
        return work
    here = torch.cuda.current_stream()
    # Another stream than that of recordings which are still in use: torch 2.13 frees the workspace of cuBLAS on a stream
    # with the first graph that was recorded there (pytorch issue 193402). Torch gives 32 streams in turn, and a trainer
    # keeps far fewer recordings.
    own = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    own.wait_stream(here)
    with torch.cuda.stream(own):
        work()  # whatever is set up on first use must not be recorded
    here.wait_stream(own)
    graph = torch.cuda.CUDAGraph()
    collects = gc.isenabled()
    gc.disable()  # to free another graph would break this recording off
    try:
        # Other threads may free what they have copied meanwhile: only what this one does could break it off.
        with torch.cuda.graph(graph, stream=own, capture_error_mode="thread_local"):
            work()
    except BaseException:
        torch.cuda.set_stream(here)  # torch stays on the other one if a recording cannot be ended
        raise
    finally:
        if collects:
            gc.enable()
    return graph.replay


class ComingNumbers:
    """Numbers that a device may still be computing, on their way to the memory of the processor."""

    def __init__(self, numbers_N: Tensor) -> None:
        """Send for the numbers (N,), without waiting for them."""
        self._computed: torch.cuda.Event | None = None
        self._came = time.perf_counter()
        if numbers_N.device.type == CPU:
            self._numbers_N = numbers_N.detach().clone()
            return
        pinned_N = torch.empty(numbers_N.shape, dtype=numbers_N.dtype, pin_memory=True)
        self._numbers_N = pinned_N.copy_(numbers_N.detach(), non_blocking=True)
        self._computed = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self._computed.record()

    def read(self) -> list[float]:
        """The numbers. It waits for them, and not for what the device has been asked to do since."""
        if self._computed is not None:
            self._computed.synchronize()
            self._came = time.perf_counter()
            self._computed = None
        return self._numbers_N.tolist()

    def came(self) -> float:
        """When the numbers were first known to be here (`time.perf_counter`). It waits for them."""
        self.read()
        return self._came


def room_for_images(device: torch.device, most_on_cpu: int) -> int:
    """How many bytes of images a process may keep on the device: on a GPU a quarter of what is free, or as on the CPU."""
    if device.type == CPU:
        return most_on_cpu
    free, _total = torch.cuda.mem_get_info(device)
    return max(free // 4, most_on_cpu)


def name_of_gpu(within_seconds: float = 60.0) -> str | None:
    """What the GPU is called, in 100 characters at most; None if it does not say so ``within_seconds``.

    It is asked in a child process. CUDA itself is not started here, so the process may still fork.
    """
    with multiprocessing.get_context("fork").Pool(1, _end_at_once_if_told_to) as child:
        try:
            return child.apply_async(torch.cuda.get_device_name).get(within_seconds)[:_LONGEST_NAME]
        except (multiprocessing.TimeoutError, RuntimeError, AssertionError):  # torch asserts that it is built for CUDA
            return None


def _end_at_once_if_told_to() -> None:
    """In a child: the parent's way to end, which a fork inherits, is not the child's."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def device_name(kind: DeviceKind) -> str:
    """What the device is called, with the version of torch: for people who read figures."""
    device = torch.cuda.get_device_name() if kind == CUDA else CPU
    return f"{device}, torch {torch.__version__}"
