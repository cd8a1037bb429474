"""An object of ours that is read from its file part by part: a large one is never in memory as a whole."""

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

PART_BYTES: Final = 2**19
"""So much of an update, of the model and (twice) of the sum stays in a core's cache from one step to the next."""


class StoredTensors:
    """Tensors in a safetensors file that `encode_tensors` wrote, which it closes in the end."""

    def __init__(self, file: BinaryIO) -> None:
        """``file`` can be sought. `DamagedObjectError` where it is damaged."""
        self._file = file
        self.places, self.metadata, self._data_start = read_header(file)
        end = self._data_start + max((place.stop for place in self.places.values()), default=0)
        if (size := file.seek(0, io.SEEK_END)) != end:
            raise DamagedObjectError(f"not a whole safetensors file: it has {size} bytes, and its tensors end at {end}")
        self._part = bytearray(PART_BYTES)
        if not isinstance(file, io.BytesIO):  # whose memory the tensors may outlive
            weakref.finalize(self, file.close)

    def values(self, dtype: torch.dtype, start: int, count: int) -> Tensor:
        """``count`` values, a part's at most, from byte ``start`` of the data. The next call overwrites them."""
        part = memoryview(self._part)[: count * dtype.itemsize]
        self._file.seek(self._data_start + start)
        if self._file.readinto(part) != len(part):  # type: ignore[attr-defined]
            raise DamagedObjectError("a safetensors file ends before its tensors do")
        return torch.frombuffer(part, dtype=dtype)

    def tensor(self, name: str) -> Tensor:
        """One of them, in memory of its own."""
        place = self.places[name]
        self._file.seek(self._data_start + place.start)
        return _tensor(bytearray(self._file.read(place.stop - place.start)), place, 0)

    def tensors(self) -> dict[str, Tensor]:
        """All by name, not to be changed: of a file in memory they share its own, of one on disk the system's."""
        if isinstance(self._file, io.BytesIO):
            data = self._file.getbuffer()
        else:
            data = memoryview(mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_COPY))
        return {name: _tensor(data, place, self._data_start + place.start) for name, place in self.places.items()}

    def meta_tensors(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Tensors without values, of the shapes and types of those named."""
        return {name: torch.empty(self.places[name].shape, dtype=self.places[name].dtype, device="meta") for name in names}


def _tensor(data: bytearray | memoryview, place: Place, offset: int) -> Tensor:
    if not place.count:
        return torch.empty(place.shape, dtype=place.dtype)
    return torch.frombuffer(data, dtype=place.dtype, count=place.count, offset=offset).reshape(place.shape)
