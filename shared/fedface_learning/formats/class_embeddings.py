"""The class embeddings W (C, D) as one raw object: little-endian float32, row-major. So a client's row is a byte range."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fedface_core.domain.errors import DamagedObjectError

_FLOAT32 = 4  # bytes


def encode_class_embeddings(class_embeddings_CD: Tensor) -> bytes:
    """The bytes of W."""
    return class_embeddings_CD.numpy().astype("<f4").tobytes()


def decode_class_embeddings(data: bytes, embedding_size: int) -> Tensor:
    """W (C, D) from its bytes, or one row (1, D) from its byte range. `DamagedObjectError` where no whole rows come out."""
    if not data or len(data) % (embedding_size * _FLOAT32):
        raise DamagedObjectError(
            f"{len(data)} bytes are no class embeddings: each has {embedding_size} float32 numbers, "
            f"{embedding_size * _FLOAT32} bytes"
        )
    return torch.from_numpy(np.frombuffer(data, dtype="<f4").astype(np.float32)).reshape(-1, embedding_size)


def row_range(index: int, embedding_size: int) -> tuple[int, int]:
    """Where the row of client ``index`` lies in the object: first byte and length."""
    length = embedding_size * _FLOAT32
    return index * length, length
