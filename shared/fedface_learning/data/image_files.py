"""Which files are taken for photographs: by their suffix where a folder is listed, by their content where one is opened."""

from __future__ import annotations

import importlib.util
import os
from functools import cache
from typing import Final

from PIL import Image

IMAGE_SUFFIXES: Final = (
    ".jpg",
    ".png",
    ".pgm",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".mpo",
    ".ppm",
    ".pnm",
    ".pbm",
    ".webp",
    ".bmp",
    ".tif",
    ".tiff",
    ".gif",
    ".avif",
    ".heic",
    ".heif",
    ".hif",
)
"""The suffixes of files that may be photographs, in small letters; the more usual ones come first.

The suffix says only which files of a folder are looked at. What is in a file is decided by its first bytes.
"""

_SUFFIXES: Final = frozenset(IMAGE_SUFFIXES)

READABLE: Final = "JPEG, PNG, PGM, PPM, WebP, BMP, TIFF, GIF, AVIF or HEIC"
"""The kinds of images that are read, for messages."""

# JPEG stands for MPO too, which phones write: its first image is the photograph. EPS and the like are programs: never read.
_FORMATS: Final = ("JPEG", "PNG", "PPM", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "HEIF")
_HEIC_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"})
_AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
_HEIC_INSTALL: Final = "install the reader with: pip install pillow-heif"
_AVIF_INSTALL: Final = "install a Pillow that reads it with: pip install 'pillow>=11.3'"
BRAND_BYTES: Final = 12
"""How many bytes at the beginning of a file `missing_reader` needs."""


def is_image_name(name: str) -> bool:
    """Whether a file of this name may be a photograph, by its suffix, in small or capital letters."""
    return suffix_of(name) in _SUFFIXES


def suffix_of(name: str) -> str:
    """The suffix of a file's name in small letters, with its dot; empty if it has none."""
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 - a Path for each of a million files takes seconds


@cache
def readable_formats() -> tuple[str, ...]:
    """The names, in Pillow, of the formats that can be read here. HEIC needs the optional package pillow-heif."""
    if importlib.util.find_spec("pillow_heif") is not None:
        from pillow_heif import register_heif_opener

        register_heif_opener(thumbnails=False)
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def missing_reader(first_bytes: bytes) -> str | None:
    """What is missing to read a file that begins with these bytes (`BRAND_BYTES`), in words; None if nothing is known to."""
    brand = first_bytes[8:12] if first_bytes[4:8] == b"ftyp" else b""
    if brand in _HEIC_BRANDS and "HEIF" not in readable_formats():
        return f"is a HEIC photograph, which cannot be read here; {_HEIC_INSTALL}"
    if brand in _AVIF_BRANDS and "AVIF" not in readable_formats():
        return f"is an AVIF photograph, which cannot be read here; {_AVIF_INSTALL}"
    return None
