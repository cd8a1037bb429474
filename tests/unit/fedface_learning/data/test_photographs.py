"""Photographs: how a file is read, and why it is refused."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.data import ImageSize
from fedface_learning.data.framing import Framing
from fedface_learning.data.photographs import PhotographDataset, open_photograph, read_photograph


def test_an_image_is_turned_upright_by_its_exif_orientation(tmp_path: Path) -> None:
    pixels_HW = np.zeros((20, 30), np.uint8)
    pixels_HW[:, :15] = 255  # Bright on the left. Orientation 6 asks for a quarter turn clockwise, so it is bright on top.
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels_HW).save(tmp_path / "a.jpg", exif=exif, quality=100)
    upright_HW = np.array(read_photograph(tmp_path / "a.jpg"))
    assert upright_HW.shape == (30, 20)
    assert upright_HW[:12].min() > 200
    assert upright_HW[18:].max() < 55


def test_bytes_in_memory_are_read_under_a_name() -> None:
    file = BytesIO()
    Image.new("L", (4, 3), 9).save(file, format="PNG")
    assert open_photograph(BytesIO(file.getvalue()), "record 7").size == (4, 3)
    with pytest.raises(InvalidInputError, match=r"^record 7 is not a JPEG, PNG or PGM image"):
        open_photograph(BytesIO(b"GIF89a"), "record 7")


@pytest.mark.parametrize("data", [b"", b"surely not a picture"])
def test_a_file_that_is_no_image_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "2.png").write_bytes(data)
    with pytest.raises(InvalidInputError, match=r"/2\.png is not a JPEG, PNG or PGM image; replace it, or remove it"):
        read_photograph(tmp_path / "2.png")


@pytest.mark.parametrize("name", ["cut.jpg", "cut.png", "cut.pgm"])
def test_half_an_image_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 40), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InvalidInputError, match=rf"/{name} cannot be read: .*; replace it with a whole image, or remove it"):
        read_photograph(path)


@pytest.mark.parametrize("side", [9_100, 60_000])  # Pillow itself refuses only the second.
def test_a_decompression_bomb_is_refused(tmp_path: Path, side: int) -> None:
    (tmp_path / "1.pgm").write_bytes(f"P5 {side} {side} 255\n".encode())
    with pytest.raises(
        InvalidInputError, match=r"/1\.pgm is too large to be decoded .*80,000,000 pixels are allowed: reduce it"
    ):
        read_photograph(tmp_path / "1.pgm")


def test_more_than_eight_bits_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((48, 40), 40_000, np.uint16)).save(tmp_path / "1.png")
    with pytest.raises(InvalidInputError, match=r"/1\.png has more than 8 bits a channel .*; save it with 8"):
        read_photograph(tmp_path / "1.png")


def test_a_data_set_reads_an_identitys_files_in_their_order(tmp_path: Path) -> None:
    for name, brightness in (("b.png", 20), ("a.png", 10)):
        Image.new("L", (20, 24), brightness).save(tmp_path / name)
    files = {"zoe": (tmp_path / "b.png", tmp_path / "a.png"), "ann": (tmp_path / "missing.png",)}
    dataset = PhotographDataset("some", files, Framing(ImageSize(24, 20, 3)))
    assert dataset.identities == ("zoe", "ann")
    images_NCHW = dataset.images("zoe")
    assert (images_NCHW.shape, images_NCHW.dtype) == ((2, 3, 24, 20), torch.uint8)
    assert images_NCHW[:, 0, 0, 0].tolist() == [20, 10]
    with pytest.raises(InvalidInputError, match=r"missing\.png cannot be read"):
        dataset.images("ann")
    with pytest.raises(InvalidInputError, match="data set 'some' has no identity 'bob' among its 2"):
        dataset.images("bob")
