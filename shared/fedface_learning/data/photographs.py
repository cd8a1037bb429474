"""Data sets of image files, and photographs that are read and checked."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Final, Self

import torch
from PIL import ExifTags, Image, UnidentifiedImageError
from torch import Tensor

from fedface_core.domain.data_error import DataError, DataReason
from fedface_learning.data.framing import Framing
from fedface_learning.data.image_files import BRAND_BYTES, READABLE, missing_reader, readable_formats
from fedface_learning.data.photograph_roots import ANYWHERE, PhotographRoots

MAX_BYTES: Final = 256 << 20
"""Of the file of a photograph: one of the most pixels that is not compressed takes 240 million bytes."""
_MAX_PIXELS = 80_000_000  # No portrait needs more. A small file can claim far more, which would fill the memory.
# How an image is turned upright, by its EXIF orientation (Exif 2.32, tag 274). 1 is upright, and other values mean nothing.
_UPRIGHT: Final[Mapping[object, Image.Transpose]] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# The modes that Pillow can convert to grey and to RGB. Others (LAB, premultiplied alpha) it can convert to RGB alone.
_TO_GREY_AND_RGB: Final = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})


@dataclass(frozen=True)
class PhotographDataset:
    """A `FaceDataset` of image files, which are read and framed by `images`."""

    name: str
    files: Mapping[str, tuple[Path, ...]]
    """The files of each identity; the order is that of the data set."""
    framing: Framing
    passed_over: Mapping[str, int] = field(default_factory=dict)
    """How many files and folders are not used, by what they are, in words."""
    roots: PhotographRoots = ANYWHERE
    """The folders that no file may lead out of."""

    @property
    def identities(self) -> tuple[str, ...]:
        """Every identity, in the order of ``files``."""
        return tuple(self.files)

    def images(self, identity: str) -> Tensor:
        """All images of an identity (N, C, H, W), uint8.

        `DataError` if the identity is unknown, or a file cannot be used, which the message names.
        """
        files = self._files_of(identity)
        return torch.stack([self.framing.frame(read_photograph(path, self.roots), identity, path.name) for path in files])

    def only(self, identity: str) -> Self:
        """The data set of this identity alone, as small as a message to another process should be.

        `DataError` if the identity is unknown.
        """
        return replace(self, files={identity: self._files_of(identity)}, passed_over={})

    def _files_of(self, identity: str) -> tuple[Path, ...]:
        if identity not in self.files:
            raise DataError(
                f"data set '{self.name}' has no identity '{identity}' among its {len(self.files)}",
                DataReason.NO_SUCH_IDENTITY,
                identities=len(self.files),
            )
        return self.files[identity]


def read_photograph(path: Path, roots: PhotographRoots = ANYWHERE) -> Image.Image:
    """Read the image file at ``path``, and turn it upright by its EXIF orientation. Of several images it is the first.

    `DataError` if it cannot be used; the message names the file and says what to do.
    """
    try:
        with roots.open(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_BYTES:  # some decoders read a file as a whole first
                raise _unusable(f"{path} has {size:,} bytes; {MAX_BYTES:,} are allowed: reduce it, or remove it")
            return open_photograph(file, str(path))
    except OSError as error:
        raise _unusable(f"{path} cannot be read: {error.strerror}; replace it with a whole image, or remove it") from error


def open_photograph(source: BinaryIO, name: str) -> Image.Image:
    """Read an image from an open file or from bytes in memory, and turn it upright by its EXIF orientation.

    Its kind is that of its first bytes, whatever its name. Of several images it is the first. It can be converted to grey
    and to RGB. `DataError` if it cannot be used; the message calls it ``name`` and says what to do.
    """
    try:
        # What a decoder warns of is not for the user: the image is read, or refused with a reason.
        with warnings.catch_warnings(action="ignore"), Image.open(source, formats=readable_formats()) as photograph:
            _refuse_undecodable(name, photograph)
            photograph.load()
            return _convertible(_upright(photograph))
    except DataError:
        raise
    except Image.DecompressionBombError as error:
        raise _unusable(_too_large(name, str(error))) from error
    except UnidentifiedImageError as error:
        if missing := missing_reader(_first_bytes(source)):
            raise DataError(f"{name} {missing}", DataReason.READER_MISSING) from error
        raise _unusable(f"{name} is not an image of a known kind ({READABLE}); replace it, or remove it") from error
    except Exception as error:  # A decoder may raise anything for a damaged file: struct.error, TypeError, MemoryError, …
        reason = str(error) or type(error).__name__
        raise _unusable(f"{name} cannot be read: {reason}; replace it with a whole image, or remove it") from error


def _refuse_undecodable(name: str, photograph: Image.Image) -> None:
    """Check the header, before any pixel is decoded. `DataError` if there are too many pixels or bits."""
    if photograph.width * photograph.height > _MAX_PIXELS:
        raise _unusable(_too_large(name, f"{photograph.width}×{photograph.height} pixels"))
    if photograph.mode.startswith(("I", "F")):
        raise _unusable(f"{name} has more than 8 bits a channel (mode {photograph.mode}); save it with 8")


def _upright(photograph: Image.Image) -> Image.Image:
    """The decoded image, turned upright by the one EXIF tag that matters. The other tags are neither decoded nor written."""
    turn = _UPRIGHT.get(_orientation(photograph))
    return photograph.copy() if turn is None else photograph.transpose(turn)


def _orientation(photograph: Image.Image) -> object:
    try:
        return photograph.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # The pixels are whole. Viewers show an image whose EXIF is damaged as it is stored, and so do we.
        return None


def _convertible(image: Image.Image) -> Image.Image:
    """The image in a mode that can be converted to grey and to RGB. What is transparent shows its hidden colours."""
    image.info.pop("transparency", None)  # Pillow would warn of it with each conversion.
    return image if image.mode in _TO_GREY_AND_RGB else image.convert("RGB")


def _first_bytes(source: BinaryIO) -> bytes:
    source.seek(0)
    return source.read(BRAND_BYTES)


def _too_large(name: str, found: str) -> str:
    return f"{name} is too large to be decoded ({found}); at most {_MAX_PIXELS:,} pixels are allowed: reduce it"


def _unusable(message: str) -> DataError:
    return DataError(message, DataReason.PHOTOGRAPH_UNUSABLE)
