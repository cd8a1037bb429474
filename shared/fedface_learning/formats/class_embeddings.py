"""The class embeddings W (C, D) as one raw object: little-endian float32, row-major. So a client's row is a byte range.

C is the number of clients, D the embedding size.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fedface_core.domain.errors import DamagedObjectError

_FLOAT32 = 4  # bytes


def encode_class_embeddings(class_embeddings_CD: Tensor) -> bytes:
    """The object that stores W (C, D): ``4·C·D`` bytes."""
    return class_embeddings_CD.numpy().astype("<f4").tobytes()


def decode_class_embeddings(data: bytes, embedding_size: int) -> Tensor:
    """W (C, D), float32, from the bytes of its object, or one row (1, D) from the row's bytes.

    `DamagedObjectError` if ``data`` is empty or does not hold whole rows.
    """
    if not data or len(data) % (embedding_size * _FLOAT32):
        raise DamagedObjectError(
            f"{len(data)} bytes are no class embeddings: each has {embedding_size} float32 numbers, "
            f"{embedding_size * _FLOAT32} bytes"
        )
    return torch.from_numpy(np.frombuffer(data, dtype="<f4").astype(np.float32)).reshape(-1, embedding_size)


def row_range(index: int, embedding_size: int) -> tuple[int, int]:
    """The first byte and the length in bytes of the row of client ``index`` in the object."""
    length = embedding_size * _FLOAT32
    return index * length, length
