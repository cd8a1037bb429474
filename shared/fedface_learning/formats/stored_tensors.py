"""Tensors that are read part by part from the file of an object, so that a large object is never in memory as a whole."""

from __future__ import annotations

import io
import mmap
import weakref
from collections.abc import Iterable
from typing import BinaryIO, Final

import torch
from torch import Tensor

from fedface_core.domain.errors import DamagedObjectError
from fedface_learning.formats.safetensors_layout import Place, read_header

PART_BYTES: Final = 2**17
"""The bytes of a part. So much of an update, of the model and (twice) of the sum fits into the cache of a core."""


class StoredTensors:
    """The tensors in a safetensors file that `encode_tensors` wrote. The file is closed when this object is gone."""

    def __init__(self, file: BinaryIO) -> None:
        """Read the header of ``file``, which must be seekable. `DamagedObjectError` if the file is damaged or cut short."""
        self._file = file
        self.places, self.metadata, self._data_start = read_header(file)
        end = self._data_start + max((place.stop for place in self.places.values()), default=0)
        if (size := file.seek(0, io.SEEK_END)) != end:
            raise DamagedObjectError(f"not a whole safetensors file: it has {size} bytes, and its tensors end at {end}")
        self._part = bytearray(PART_BYTES)
        if not isinstance(file, io.BytesIO):  # Tensors may share the memory of a BytesIO and be in use for longer.
            weakref.finalize(self, file.close)

    def values(self, dtype: torch.dtype, start: int, count: int) -> Tensor:
        """``count`` values (count,) of ``dtype`` from byte ``start`` of the data. The next call overwrites them.

        They take at most `PART_BYTES`. `DamagedObjectError` if the file ends before them.
        """
        part = memoryview(self._part)[: count * dtype.itemsize]
        self._file.seek(self._data_start + start)
        if self._file.readinto(part) != len(part):  # type: ignore[attr-defined]
            raise DamagedObjectError("a safetensors file ends before its tensors do")
        return torch.frombuffer(part, dtype=dtype)

    def tensor(self, name: str) -> Tensor:
        """The tensor of this name, in its own memory."""
        place = self.places[name]
        self._file.seek(self._data_start + place.start)
        return _tensor(bytearray(self._file.read(place.stop - place.start)), place, 0)

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name. They share the memory of the file, or of its mapping if it is on disk: do not change them."""
        if isinstance(self._file, io.BytesIO):
            data = self._file.getbuffer()
        else:
            data = memoryview(mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_COPY))
        return {name: _tensor(data, place, self._data_start + place.start) for name, place in self.places.items()}

    def meta_tensors(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Tensors without values (on torch's device "meta"), with the shapes and dtypes of the tensors of these names."""
        return {name: torch.empty(self.places[name].shape, dtype=self.places[name].dtype, device="meta") for name in names}


def _tensor(data: bytearray | memoryview, place: Place, offset: int) -> Tensor:
    if not place.count:
        return torch.empty(place.shape, dtype=place.dtype)
    return torch.frombuffer(data, dtype=place.dtype, count=place.count, offset=offset).reshape(place.shape)
