"""An imported model gives what its authors' network gives for what they feed it, and says what it is."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fedface_core.domain.errors import InvalidInputError
from fedface_lab.model.find_layout import Wanted
from fedface_lab.model.imported_model import check_features, make_model
from fedface_learning.formats.codec import decode_tensors
from fedface_learning.models import initial_network
from fedface_learning.models.description import description_in
from fedface_learning.models.weights import load_network
from support.small_layout import PLAN, SMALL_LAYOUT, published_weights

LAYOUTS = (SMALL_LAYOUT,)
FIRST = "body.layer0.weight"


def saved(path: Path, tensors: dict[str, Tensor]) -> Path:
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in tensors.items()}}, path)
    return path


def features(data: bytes, images_NCHW: Tensor) -> Tensor:
    with torch.no_grad():
        return load_network(PLAN, data, "it").eval().features(images_NCHW)


def test_it_gives_what_the_authors_network_gives_for_bgr(tmp_path: Path) -> None:
    model = make_model(saved(tmp_path / "a.pth", published_weights(1)), Wanted(), LAYOUTS)
    authors = initial_network(PLAN, 1).eval()  # whose first convolution the published one is, with the channels reversed
    images_NCHW = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    with torch.no_grad():
        expected = authors.features(images_NCHW)
    torch.testing.assert_close(features(model.data, images_NCHW), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32(tmp_path: Path, dtype: torch.dtype) -> None:
    weights = {name: t.to(dtype) if t.is_floating_point() else t for name, t in published_weights().items()}
    tensors, _ = decode_tensors(make_model(saved(tmp_path / "a.pth", weights), Wanted(), LAYOUTS).data)
    first = tensors["trunk.0.weight"]
    assert first.dtype is torch.float32
    assert torch.equal(first, weights[FIRST].float().flip(1))


def test_another_input_is_kept_if_it_is_told(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pth", published_weights())
    told = make_model(path, Wanted(None, "rgb", None, 64.0), LAYOUTS)
    tensors, _ = decode_tensors(told.data)
    assert torch.equal(tensors["trunk.0.weight"], published_weights()[FIRST] * 2)
    assert (told.convention.channel_order, told.convention.pixel_scale) == ("rgb", 64.0)


def test_the_model_says_what_it_is(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pth", published_weights())
    _, metadata = decode_tensors(make_model(path, Wanted(), LAYOUTS).data)
    description = description_in(metadata, "it")
    assert description is not None
    assert description.model == PLAN
    assert (description.layout, description.source) == ("Somebody's MobileFaceNet", "a.pth")
    assert description.source_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (description.channel_order, description.pixel_mean, description.pixel_scale) == ("bgr", 127.5, 128.0)


def test_values_that_are_not_finite_are_named(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pth", published_weights() | {FIRST: torch.full((8, 3, 3, 3), float("inf"))})
    with pytest.raises(InvalidInputError, match=rf"a\.pth has values that are not finite, in {FIRST}"):
        make_model(path, Wanted(), LAYOUTS)


@pytest.mark.parametrize(
    ("factor", "said"),
    [(1e30, r"a\.pth: the network's features of 2 of 2 images are not finite"), (0.0, "gives two faces the same features")],
    ids=["overflow", "constant"],
)
def test_a_network_that_does_not_work_is_not_written(tmp_path: Path, factor: float, said: str) -> None:
    weights = published_weights()
    name = next(name for name in SMALL_LAYOUT.shapes if name.startswith("embedding"))
    broken = {FIRST: weights[FIRST] * 1e30, name: weights[name] * 1e30} if factor else {name: weights[name] * 0}
    with pytest.raises(InvalidInputError, match=said):
        make_model(saved(tmp_path / "a.pth", weights | broken), Wanted(), LAYOUTS)


def test_a_network_that_works_passes() -> None:
    check_features(initial_network(PLAN, 0), "it")


def test_what_fits_nothing_names_the_file_and_its_kind(tmp_path: Path) -> None:
    weights = published_weights()
    del weights[FIRST]
    with pytest.raises(
        InvalidInputError, match=rf"a\.pth is a PyTorch file; its tensors in state_dict .*missing \(1\): {FIRST}"
    ):
        make_model(saved(tmp_path / "a.pth", weights), Wanted(), LAYOUTS)
