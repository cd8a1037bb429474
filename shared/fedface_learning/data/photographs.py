"""Data sets of image files, and photographs that are read and checked."""

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
_MAX_PIXELS = 80_000_000  # No portrait needs more. A small file can claim far more, which would fill the memory.


@dataclass(frozen=True)
class PhotographDataset:
    """A `FaceDataset` of image files, which are read and framed by `images`."""

    name: str
    files: Mapping[str, tuple[Path, ...]]
    """The files of each identity; the order is that of the data set."""
    framing: Framing

    @property
    def identities(self) -> tuple[str, ...]:
        """Every identity, in the order of ``files``."""
        return tuple(self.files)

    def images(self, identity: str) -> Tensor:
        """All images of an identity (N, C, H, W), uint8.

        `InvalidInputError` if the identity is unknown, or a file cannot be used, which the message names.
        """
        if identity not in self.files:
            raise InvalidInputError(f"data set '{self.name}' has no identity '{identity}' among its {len(self.files)}")
        return torch.stack([self.framing.frame(read_photograph(path), identity, path.name) for path in self.files[identity]])


def read_photograph(path: Path) -> Image.Image:
    """Read the image file at ``path``, and turn it upright by its EXIF orientation.

    `InvalidInputError` if it cannot be used; the message names the file and says what to do.
    """
    return open_photograph(path, str(path))


def open_photograph(source: Path | BinaryIO, name: str) -> Image.Image:
    """Read an image from a file or from bytes in memory, and turn it upright by its EXIF orientation.

    `InvalidInputError` if it cannot be used; the message calls it ``name`` and says what to do.
    """
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
    """Check the header, before any pixel is decoded. `InvalidInputError` if there are too many pixels or bits."""
    if photograph.width * photograph.height > _MAX_PIXELS:
        raise InvalidInputError(_too_large(name, f"{photograph.width}×{photograph.height} pixels"))
    if photograph.mode.startswith(("I", "F")):
        raise InvalidInputError(f"{name} has more than 8 bits a channel (mode {photograph.mode}); save it with 8")


def _too_large(name: str, found: str) -> str:
    return f"{name} is too large to be decoded ({found}); at most {_MAX_PIXELS:,} pixels are allowed: reduce it"
