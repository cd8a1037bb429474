"""Image files as phones and sloppy programs write them."""

from __future__ import annotations

import struct
from io import BytesIO

from PIL import Image

_FLOAT = 11
_SHORT = 3
_MAKE = 0x010F
_ORIENTATION = 0x0112


def exif_with_a_mistyped_make(orientation: int) -> bytes:
    """An EXIF block of two tags: the maker's name, which should be text, as a float; and the orientation."""
    make = struct.pack("<HHIf", _MAKE, _FLOAT, 1, 1.5)
    turn = struct.pack("<HHIHH", _ORIENTATION, _SHORT, 1, orientation, 0)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + make + turn + struct.pack("<I", 0)


def phone_photograph(image: Image.Image, orientation: int = 6, kind: str = "JPEG") -> bytes:
    """The file of an image that a phone took while it was turned, with one mistyped tag."""
    file = BytesIO()
    image.save(file, format=kind, exif=exif_with_a_mistyped_make(orientation))
    return file.getvalue()
