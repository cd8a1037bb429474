"""Identifiers of runs, clients and objects."""

from __future__ import annotations

import secrets
from typing import Annotated, Final

from pydantic import StringConstraints

RUN_ID_PATTERN: Final = "run-[0-9a-f]{12}"
"""The regular expression of run ids."""
RunId = Annotated[str, StringConstraints(pattern=f"^{RUN_ID_PATTERN}$")]
ClientId = Annotated[str, StringConstraints(pattern=r"^client-[0-9]{6}$")]
MOST_CLIENTS = 1_000_000  # a client id has six digits
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def new_run_id() -> str:
    """A new run id of 48 random bits, short enough to type."""
    return f"run-{secrets.token_hex(6)}"


def client_id(index: int) -> str:
    """The id of the client with the ``index``-th client identity of the split, counted from 0.

    The index is also the client's row in the class embeddings.
    """
    return f"client-{index:06d}"


def client_index(client: str) -> int:
    """The index in a client's id: 3 for ``client-000003``."""
    return int(client.removeprefix("client-"))
