"""Data sets of image files: read, checked and framed when asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.data.framing import Framing

_FORMATS = ("JPEG", "PNG", "PPM")
_MAX_PIXELS = 80_000_000  # No portrait needs more; a small file can claim far more, and would fill the memory.


@dataclass(frozen=True)
class PhotographDataset:
    """Image files by identity, both in their final order. A `FaceDataset`."""

    name: str
    files: Mapping[str, tuple[Path, ...]]
    framing: Framing

    @property
    def identities(self) -> tuple[str, ...]:
        """In the order of ``files``."""
        return tuple(self.files)

    def images(self, identity: str) -> Tensor:
        """uint8 (n, C, H, W). `InvalidInputError` for an unknown identity, and names a file that cannot be used."""
        if identity not in self.files:
            raise InvalidInputError(f"data set '{self.name}' has no identity '{identity}' among its {len(self.files)}")
        return torch.stack([self.framing.frame(read_photograph(path), identity, path.name) for path in self.files[identity]])


def read_photograph(path: Path) -> Image.Image:
    """One image file, turned upright as its EXIF orientation says. `InvalidInputError` names the file and the cure."""
    return open_photograph(path, str(path))


def open_photograph(source: Path | BinaryIO, name: str) -> Image.Image:
    """The same from a file, or from bytes in memory; ``name`` is what errors call it."""
    try:
        with Image.open(source, formats=_FORMATS) as photograph:
            _refuse_undecodable(name, photograph)
            return ImageOps.exif_transpose(photograph)
    except InvalidInputError:
        raise
    except Image.DecompressionBombError as error:
        raise InvalidInputError(_too_large(name, str(error))) from error
    except UnidentifiedImageError as error:
        raise InvalidInputError(f"{name} is not a JPEG, PNG or PGM image; replace it, or remove it") from error
    except (OSError, SyntaxError, ValueError) as error:  # Pillow's own errors for damaged files
        raise InvalidInputError(f"{name} cannot be read: {error}; replace it with a whole image, or remove it") from error


def _refuse_undecodable(name: str, photograph: Image.Image) -> None:
    """By its header alone, before a pixel is decoded."""
    if photograph.width * photograph.height > _MAX_PIXELS:
        raise InvalidInputError(_too_large(name, f"{photograph.width}×{photograph.height} pixels"))
    if photograph.mode.startswith(("I", "F")):
        raise InvalidInputError(f"{name} has more than 8 bits a channel (mode {photograph.mode}); save it with 8")


def _too_large(name: str, found: str) -> str:
    return f"{name} is too large to be decoded ({found}); at most {_MAX_PIXELS:,} pixels are: reduce it"
