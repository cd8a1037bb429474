"""Under which path, and in which format, `fedface data prepare` writes the aligned image of each photograph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final

# What is written as it was read. Other formats lose much (GIF), hold more than an image (TIFF), or need a reader that a
# machine may lack (HEIC): their images become PNG, which loses nothing.
_KEPT: Final = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".png": "PNG",
    ".pgm": "PPM",
    ".ppm": "PPM",
    ".pnm": "PPM",
}
_CONVERTED: Final = ".png"


def written_format(name: str) -> str:
    """The format, in Pillow's words, of an aligned image of this name, which `aligned_paths` has given."""
    return _KEPT[PurePosixPath(name).suffix.lower()]


def aligned_paths(photographs: Sequence[str]) -> Mapping[str, str]:
    """The path of each photograph's aligned image; no two photographs share one.

    A JPEG, PNG or PGM keeps its path. Another photograph, such as ``ann/1.heic``, becomes ``ann/1.png``; if another one has
    that path, ``ann/1.heic.png``, and then ``ann/1.heic.2.png`` and so on.
    """
    paths = {path: path for path in photographs if PurePosixPath(path).suffix.lower() in _KEPT}
    taken = set(paths)
    for path in photographs:
        if path not in paths:
            paths[path] = _free_path(path, taken)
            taken.add(paths[path])
    return paths


def _free_path(path: str, taken: set[str]) -> str:
    choice = str(PurePosixPath(path).with_suffix(_CONVERTED))
    number = 1
    while choice in taken:
        choice = f"{path}{_CONVERTED}" if number == 1 else f"{path}.{number}{_CONVERTED}"
        number += 1
    return choice
