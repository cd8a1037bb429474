"""How much the API serves at once."""

from __future__ import annotations

from dataclasses import dataclass

from fedface_core.files.safetensors_header import MAX_MODEL_BYTES
from fedface_core.http_server.capacity import Capacity


@dataclass(frozen=True)
class ApiCapacity(Capacity):
    """What the API serves at once: what any server does, event streams of one run and to one address, and uploads of models
    of so many bytes each.
    """

    event_streams_of_run: int = 50
    event_streams_of_client: int = 50
    uploads: int = 4
    model_bytes: int = MAX_MODEL_BYTES


DEFAULT_CAPACITY = ApiCapacity()
