"""Which names may be photographs, and what is said of a kind whose reader is not installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import pytest
from PIL import Image

from fedface_learning.data.image_files import IMAGE_SUFFIXES, is_image_name, missing_reader, readable_formats

HEIC = b"\x00\x00\x00\x18ftypheic"
AVIF = b"\x00\x00\x00\x18ftypavif"


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    readable_formats.cache_clear()
    yield
    readable_formats.cache_clear()


def test_suffixes_are_compared_in_any_case() -> None:
    assert all(is_image_name(f"a{suffix}") and is_image_name(f"A{suffix.upper()}") for suffix in IMAGE_SUFFIXES)
    assert not any(is_image_name(name) for name in ("a.txt", "jpg", ".jpg", "a.jpg.part", "Thumbs.db", "a.eps"))


def test_everything_is_read_here() -> None:
    assert readable_formats() == ("JPEG", "PNG", "PPM", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "HEIF")
    assert missing_reader(HEIC) is missing_reader(AVIF) is missing_reader(b"") is None


def test_without_pillow_heif_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pillow_heif" else find(name))
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    assert "HEIF" not in readable_formats()
    assert missing_reader(HEIC) == (
        "is a HEIC photograph, which cannot be read here; install the reader with: pip install pillow-heif"
    )
    assert missing_reader(AVIF) is missing_reader(b"\xff\xd8\xff") is missing_reader(b"1234ftyp") is None


def test_an_older_pillow_without_avif_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    readable_formats()
    readable_formats.cache_clear()
    monkeypatch.delitem(Image.OPEN, "AVIF", raising=False)
    assert "AVIF" not in readable_formats()
    assert "is an AVIF photograph" in str(missing_reader(AVIF))
