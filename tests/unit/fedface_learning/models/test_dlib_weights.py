"""dlib's published weights: the real file is read whole, and any other file is refused."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import ModelPlan
from fedface_learning.models import initial_network
from fedface_learning.models.published_files import published_file
from fedface_learning.models.weights import network_tensors
from support.package_specs import package_spec

FILE = "dlib_face_recognition_resnet_model_v1.dat"
PLAN = ModelPlan.model_validate({"architecture": "dlib-resnet"})


def install_file(monkeypatch: pytest.MonkeyPatch, folder: Path, data: bytes) -> None:
    """Let the package be found in ``folder``, with these bytes as its weights."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: package_spec("face_recognition_models", folder))
    (folder / "models").mkdir()
    (folder / "models" / FILE).write_bytes(data)


@pytest.fixture(scope="module")
def published() -> bytes:
    """The bytes of the file in the installed package."""
    return published_file(FILE, "the weights").read_bytes()


def test_the_published_weights_arrive_whole() -> None:
    network = initial_network(PLAN, seed=0).eval()
    tensors = network_tensors(network)
    assert all(tensor.isfinite().all() for tensor in tensors.values())
    assert torch.equal(tensors["centre"], torch.zeros(128))
    # dlib trained its embeddings to lie closer than 0.6 for one person; lengths near 1 come with that.
    with torch.no_grad():
        lengths_N = network.features(torch.full((1, 3, 150, 150), 128, dtype=torch.uint8)).norm(dim=1)
    assert 0.5 < lengths_N.item() < 2.5


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
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, published: bytes, stored: bytes, instead: bytes, message: str
) -> None:
    assert stored in published
    install_file(monkeypatch, tmp_path, published.replace(stored, instead, 1))
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
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, published: bytes, end: int | bytes, message: str
) -> None:
    install_file(monkeypatch, tmp_path, published[: published.rindex(end) if isinstance(end, bytes) else end])
    with pytest.raises(InvalidInputError, match=message):
        initial_network(PLAN, seed=0)
