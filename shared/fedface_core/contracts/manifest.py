"""The manifest: one JSON object beside an ended round's artifacts, enough to resume the run when the ledger is lost."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from fedface_core.domain.round import Round
from fedface_core.domain.run import Run
from fedface_core.domain.update import AcceptedUpdate


class Manifest(BaseModel):
    """An ended round: the run as it then stood, the round with its results, and what became of every client."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[3] = 3
    run: Run
    round: Round
    accepted: dict[str, AcceptedUpdate] = Field(description="In client order; those the fold refused are in the round.")
    failed: dict[str, str] = Field(description="Client → reason.")
    enrolled: tuple[str, ...] = Field(description="Clients that have a class embedding, in client order.")
