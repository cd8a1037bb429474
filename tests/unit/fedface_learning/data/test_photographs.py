"""Photographs: how a file is read, and why it is refused."""

from __future__ import annotations

import contextlib
import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps, JpegImagePlugin

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.data import ImageSize, image_files, photographs
from fedface_learning.data.framing import Framing
from fedface_learning.data.photographs import PhotographDataset, open_photograph, read_photograph
from support.phone_photographs import exif_with_a_mistyped_make, phone_photograph

COLOURS = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 20, 3), np.uint8))
KINDS = ("JPEG", "MPO", "PNG", "PPM", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "HEIF")


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, format=kind, **options)
    return file.getvalue()


def read(data: bytes) -> Image.Image:
    return open_photograph(BytesIO(data), "a file")


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


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF"])
def test_a_mistyped_exif_tag_does_not_matter(kind: str) -> None:
    """To transpose an image, Pillow writes its whole EXIF anew, and fails at such a tag."""
    upright = read(phone_photograph(Image.new("L", (30, 20), 9), orientation=6, kind=kind))
    assert upright.size == (20, 30)


@pytest.mark.parametrize("orientation", range(10))
def test_each_orientation_is_turned_as_pillow_turns_it(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = encoded(COLOURS, "PNG", exif=exif)
    with Image.open(BytesIO(turned)) as image:
        expected = np.array(ImageOps.exif_transpose(image))
    assert np.array_equal(np.array(read(turned)), expected)
    assert np.array_equal(np.array(read(phone_photograph(COLOURS, orientation, "PNG"))), expected)


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0surely no TIFF header", exif_with_a_mistyped_make(6)[:20], b"Exif\0\0II*\0\xff\xff\0\0"]
)
def test_damaged_exif_turns_nothing(exif: bytes) -> None:
    assert read(encoded(Image.new("L", (30, 20)), "JPEG", exif=exif)).size == (30, 20)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_known_by_its_content(tmp_path: Path, kind: str) -> None:
    (tmp_path / "1.jpg").write_bytes(encoded(COLOURS, kind))
    image = read_photograph(tmp_path / "1.jpg")
    assert image.size == COLOURS.size
    lossless = kind in ("PNG", "PPM", "BMP", "TIFF")
    assert not lossless or np.array_equal(np.array(image), np.array(COLOURS))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
def test_of_several_images_the_first_is_the_photograph(kind: str) -> None:
    first = Image.new("L", (20, 20), 200)
    second = Image.new("L", (20, 20), 10)
    image = read(encoded(first, kind, save_all=True, append_images=[second])).convert("L")
    assert np.array(image).min() > 180


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB"])
def test_every_mode_becomes_grey_and_rgb(mode: str) -> None:
    """Pillow converts CIELAB, which TIFF may hold, to RGB alone."""
    kind = "PNG" if mode in ("1", "L", "LA", "P", "RGB", "RGBA") else "TIFF"
    stored = Image.new(mode, (20, 24)) if mode in ("LAB", "RGBX") else COLOURS.convert(mode)
    image = read(encoded(stored, kind))
    assert [image.convert(target).size for target in ("L", "RGB")] == [COLOURS.size] * 2


def test_a_palette_with_transparency_shows_its_colours() -> None:
    palette = COLOURS.quantize(16)
    image = read(encoded(palette, "PNG", transparency=bytes(range(16))))
    assert np.array_equal(np.array(image.convert("RGB")), np.array(palette.convert("RGB")))


@pytest.mark.parametrize(
    "error",
    [struct.error("short"), TypeError("no"), OverflowError("big"), MemoryError(), RecursionError("deep"), KeyError(7)],
)
def test_whatever_a_decoder_raises_is_a_refusal_of_the_file(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fails(image: Image.Image) -> None:
        raise error

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "load", fails)
    with pytest.raises(InvalidInputError, match=r"^a file cannot be read: .+; replace it with a whole image, or remove it"):
        read(encoded(COLOURS, "JPEG"))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_damaged_files_give_an_image_or_a_refusal(kind: str, data: st.DataObject) -> None:
    """Of every kind: cut anywhere, and bytes replaced, mostly in the header."""
    file = bytearray(encoded(COLOURS, kind))
    kept = data.draw(st.integers(0, len(file)) | st.just(len(file)))
    for place in data.draw(st.lists(st.integers(0, 200) | st.integers(0, len(file) - 1), max_size=8)):
        file[place % len(file)] = data.draw(st.sampled_from([0, 1, 127, 128, 255]) | st.integers(0, 255))
    image = None
    with contextlib.suppress(InvalidInputError):
        image = read(bytes(file[:kept]))
    if image is not None:
        assert image.convert("RGB").size == image.convert("L").size


def test_heic_without_its_reader_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = encoded(COLOURS, "HEIF")
    (tmp_path / "1.heic").write_bytes(data)
    without = tuple(kind for kind in image_files.readable_formats() if kind != "HEIF")
    for module in (image_files, photographs):
        monkeypatch.setattr(module, "readable_formats", lambda: without)
    message = r"is a HEIC photograph, .* with: pip install pillow-heif"
    with pytest.raises(InvalidInputError, match=message):
        read_photograph(tmp_path / "1.heic")
    with pytest.raises(InvalidInputError, match=message):
        read(data)


def test_bytes_in_memory_are_read_under_a_name() -> None:
    file = BytesIO()
    Image.new("L", (4, 3), 9).save(file, format="PNG")
    assert open_photograph(BytesIO(file.getvalue()), "record 7").size == (4, 3)
    with pytest.raises(InvalidInputError, match=r"^record 7 is not an image of a known kind"):
        open_photograph(BytesIO(b"GIF89a"), "record 7")


@pytest.mark.parametrize("data", [b"", b"surely not a picture"])
def test_a_file_that_is_no_image_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "2.png").write_bytes(data)
    with pytest.raises(
        InvalidInputError, match=r"/2\.png is not an image of a known kind \(JPEG, PNG, .*\); replace it, or remove it"
    ):
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
