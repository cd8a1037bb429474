"""Identifiers of runs and clients."""

from __future__ import annotations

import secrets
from typing import Annotated

from pydantic import StringConstraints

RunId = Annotated[str, StringConstraints(pattern=r"^run-[0-9a-f]{12}$")]
ClientId = Annotated[str, StringConstraints(pattern=r"^client-[0-9]{6}$")]
# As many as their ids have room for.
MOST_CLIENTS = 1_000_000

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def new_run_id() -> str:
    """A fresh run id: 48 random bits, short enough to type."""
    return f"run-{secrets.token_hex(6)}"


def client_id(index: int) -> str:
    """The client that holds the ``index``-th client identity of the split; also its row in the class embeddings."""
    return f"client-{index:06d}"


def client_index(client: str) -> int:
    """The inverse of `client_id`."""
    return int(client.removeprefix("client-"))
