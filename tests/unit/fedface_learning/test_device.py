"""Which device is computed on, how torch is set for it, and that a CPU is left alone."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from fedface_core.domain.device_kinds import DeviceKind, Precision
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan.compute import ComputePlan
from fedface_learning import device as devices
from fedface_learning.device import (
    HOST,
    ComingNumbers,
    all_moved,
    chosen_device,
    copy_on,
    full_product,
    in_precision,
    making_tensors_on,
    moved,
    name_of_gpu,
    on_host,
    prepare_device,
    room_for_images,
    set_up,
)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine that says it has a GPU. Torch's switches are as before afterwards."""
    monkeypatch.setattr(devices, "has_gpu", lambda: True)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    mode = torch.get_deterministic_debug_mode()
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic = before
    torch.set_deterministic_debug_mode(mode)


def test_auto_is_the_cpu_where_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "has_gpu", lambda: False)
    assert chosen_device("auto") == "cpu"
    with pytest.raises(InvalidInputError, match=r"is 'cuda', and torch .* use 'cpu', or install a build of torch"):
        chosen_device("cuda")
    with pytest.raises(InvalidInputError, match="the device is 'cuda'"):
        prepare_device(ComputePlan(device="cuda"))


def test_auto_is_the_gpu_where_there_is_one(gpu: None) -> None:
    assert [chosen_device("auto"), chosen_device("cpu"), chosen_device("cuda")] == ["cuda", "cpu", "cuda"]


def long_name() -> str:
    return f"GPU of process {os.getppid()}".ljust(120, "x")


def way_to_end() -> str:
    return str(signal.getsignal(signal.SIGTERM))


def no_answer() -> str:
    time.sleep(60)
    return ""


def test_a_gpu_says_its_name_to_a_child_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", long_name)
    name = name_of_gpu()
    assert name is not None
    assert name.startswith(f"GPU of process {os.getpid()}x"), "CUDA is started in the child alone"
    assert len(name) == 100


def test_a_child_that_is_asked_for_a_name_ends_as_a_new_process_would(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by the handler of the process that asks, which would go on as its copy."""
    monkeypatch.setattr(torch.cuda, "get_device_name", way_to_end)
    signal.signal(signal.SIGTERM, lambda _number, _frame: None)
    assert name_of_gpu() == str(signal.SIG_DFL)


@pytest.mark.skipif(devices.has_gpu(), reason="this machine's GPU says its name")
def test_a_gpu_that_does_not_say_its_name_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert name_of_gpu() is None, "torch raises, for it finds no GPU"
    monkeypatch.setattr(torch.cuda, "get_device_name", no_answer)
    assert name_of_gpu(within_seconds=0.05) is None


@pytest.mark.parametrize(("precision", "tf32"), [("float32", False), ("tf32", True)])
def test_a_gpu_is_set_up_anew_for_each_plan_and_always_deterministic(gpu: None, precision: Precision, tf32: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = not tf32
    assert set_up("cuda", precision) == torch.device("cuda")
    assert torch.backends.cuda.matmul.allow_tf32 is torch.backends.cudnn.allow_tf32 is tf32
    assert torch.backends.cudnn.deterministic
    assert not torch.backends.cudnn.benchmark
    assert torch.are_deterministic_algorithms_enabled()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


@pytest.mark.parametrize(("kind", "precision"), [("cpu", "tf32")])
def test_a_precision_that_a_device_lacks_is_refused(kind: DeviceKind, precision: Precision) -> None:
    with pytest.raises(InvalidInputError, match="only a GPU has"):
        set_up(kind, precision)


def test_on_a_cpu_nothing_is_copied_and_nothing_changes() -> None:
    network = torch.nn.Linear(2, 2)
    tensors = {"a": torch.ones(3)}
    assert set_up("cpu", "float32") == HOST
    assert copy_on(network, HOST) is network
    assert moved(tensors["a"], HOST) is tensors["a"]
    assert all_moved(tensors, HOST) is tensors
    assert on_host(tensors)["a"] is tensors["a"]
    assert room_for_images(HOST, 7) == 7
    with making_tensors_on(HOST), in_precision(HOST, "float32"):
        assert (tensors["a"] @ tensors["a"]).dtype is torch.float32


def test_images_may_take_a_quarter_of_what_a_gpu_has_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (400, 1000))
    gpu = torch.device("cuda")
    assert room_for_images(gpu, 7) == 100
    assert room_for_images(gpu, 120) == 120, "and as much as on a CPU in any case"


def test_elsewhere_a_network_is_copied_and_tensors_are_made() -> None:
    network = torch.nn.Linear(2, 2)
    elsewhere = torch.device("meta")
    there = copy_on(network, elsewhere)
    assert (there.weight.device.type, network.weight.device.type) == ("meta", "cpu")
    with making_tensors_on(elsewhere):
        assert torch.zeros(2).device.type == "meta"


def test_a_single_number_stays_with_the_processor_which_goes_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    there = all_moved({"count": torch.tensor(3), "sum": torch.zeros(2)}, torch.device("meta"))
    assert {name: tensor.device.type for name, tensor in there.items()} == {"count": "cpu", "sum": "meta"}


def test_a_large_tensor_goes_to_a_gpu_without_a_second_copy_of_it_here(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned: list[int] = []

    def pin_memory(tensor: Tensor) -> Tensor:
        pinned.append(tensor.nbytes)
        return tensor

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin_memory)
    for size in (1 << 28, (1 << 28) + 1):
        assert moved(torch.empty(size, dtype=torch.uint8), torch.device("meta")).device.type == "meta"
    assert pinned == [1 << 28]


def test_numbers_that_come_are_those_of_their_moment() -> None:
    numbers_N = torch.tensor([1.0, 2.0])
    coming = ComingNumbers(numbers_N)
    numbers_N.zero_()
    assert coming.read() == [1.0, 2.0]
    assert coming.came() <= ComingNumbers(numbers_N).came()


def test_in_bfloat16_products_are_computed_in_it() -> None:
    with in_precision(HOST, "bfloat16"):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is torch.bfloat16


def test_scores_are_products_in_float32_also_beside_a_plan_in_tf32(gpu: None) -> None:
    set_up("cuda", "tf32")
    seen: list[bool] = []

    class Watched(torch.Tensor):
        def __matmul__(self, other: object) -> torch.Tensor:
            seen.append(torch.backends.cuda.matmul.allow_tf32)
            return torch.zeros(2, 2)

    elsewhere = torch.zeros(2, 2, device="meta").as_subclass(Watched)
    full_product(elsewhere, elsewhere)
    assert seen == [False]
    assert torch.backends.cuda.matmul.allow_tf32
    two = torch.full((2, 2), 2.0)
    assert torch.equal(full_product(two, two), two @ two)
