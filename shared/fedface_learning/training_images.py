"""All images of some identities in one file without a name, from which a training takes its batches.

Suffixes of tensor and array names: N images, C channels, H×W pixels.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from typing import IO

import numpy as np
import torch
from torch import Tensor

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.data.dataset import FaceDataset
from fedface_learning.data.reading import images_in_order
from fedface_learning.ranks import ALONE, Ranks

OnProgress = Callable[[int, int], None]
"""Takes the number of identities that have been read, and the number of all."""


@dataclass(frozen=True)
class LabelledImages:
    """All images of some identities."""

    identities: tuple[str, ...]
    """The identities, in the order of their labels."""
    images_NCHW: Tensor
    """uint8, mapped from a file: the system keeps of it in memory what there is room for."""
    labels_N: Tensor
    """The number of each image's identity, int64."""


@dataclass(frozen=True)
class _WrittenFile:
    """Where the images are, for other processes."""

    path: str
    shape: tuple[int, ...]
    counts: tuple[int, ...]
    """How many images each identity has."""


def read_all_images(
    dataset: FaceDataset,
    identities: Sequence[str],
    *,
    folder: Path | None = None,
    workers: int = 1,
    ranks: Ranks = ALONE,
    on_progress: OnProgress | None = None,
) -> LabelledImages:
    """Read all images of ``identities``, decoded by up to so many ``workers``: processes, or with 1 this process itself.

    They are written (``n·C·H·W`` bytes) to an unnamed file in ``folder``, or in the folder for temporary files. Of several
    ``ranks`` the first one reads, and all map its file. `InvalidInputError` if an image cannot be used, or if the file
    cannot be written.
    """
    if not ranks.is_first:
        written: _WrittenFile = ranks.from_first(None)
        with _opened(written) as file:
            labelled = _labelled(identities, file, written)
        ranks.wait_for_all()
        return labelled
    with ExitStack() as stack:
        with _unwritable_is_wrong_input(folder):
            file = stack.enter_context(TemporaryFile(dir=folder, buffering=0))  # so that closing it cannot fail
        written = _write(dataset, identities, file, folder, workers, on_progress)
        ranks.from_first(written)
        # The mapping keeps the file until the tensor is gone.
        labelled = _labelled(identities, file, written)
        ranks.wait_for_all()
    return labelled


def _write(
    dataset: FaceDataset,
    identities: Sequence[str],
    file: IO[bytes],
    folder: Path | None,
    workers: int,
    on_progress: OnProgress | None,
) -> _WrittenFile:
    counts: list[int] = []
    shape: tuple[int, ...] = ()
    with closing(images_in_order(dataset, identities, workers)) as of_each:
        for images_NCHW in of_each:
            with _unwritable_is_wrong_input(folder):
                _write_all(file, memoryview(images_NCHW.tobytes()))
            counts.append(len(images_NCHW))
            shape = images_NCHW.shape[1:]
            if on_progress:
                on_progress(len(counts), len(identities))
    return _WrittenFile(f"/proc/{os.getpid()}/fd/{file.fileno()}", (sum(counts), *shape), tuple(counts))


def _write_all(file: IO[bytes], data: memoryview) -> None:
    """Write all of the bytes to a file without a buffer, which may take a part at a time."""
    while data:
        data = data[file.write(data) :]


@contextmanager
def _unwritable_is_wrong_input(folder: Path | None) -> Iterator[None]:
    """An `OSError` of the block becomes an `InvalidInputError` that names the folder which cannot be written to."""
    try:
        yield
    except OSError as error:
        raise InvalidInputError(f"the images cannot be written to {folder or gettempdir()}: {error.strerror}") from error


def _opened(written: _WrittenFile) -> IO[bytes]:
    """The file of the first process, which has no other name. `InvalidInputError` if the system has no such names."""
    try:
        return Path(written.path).open("rb")
    except OSError as error:
        raise InvalidInputError(
            f"the images of the first process cannot be opened as {written.path} ({error.strerror}): training by several "
            "processes needs Linux, and that one user starts them"
        ) from error


def _labelled(identities: Sequence[str], file: IO[bytes], written: _WrittenFile) -> LabelledImages:
    all_NCHW = np.memmap(file, np.uint8, mode="c", shape=written.shape)
    labels_N = torch.repeat_interleave(torch.tensor(written.counts))
    return LabelledImages(tuple(identities), torch.from_numpy(all_NCHW), labels_N)
