"""The manifest of an ended round: a JSON object in the artifact store, from which a run is resumed if the ledger is lost."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from fedface_core.domain.device_kinds import DeviceKind, Precision
from fedface_core.domain.round import Round
from fedface_core.domain.run import Run
from fedface_core.domain.update import AcceptedUpdate


class Computed(BaseModel):
    """What a round was computed with: with equal values, a round that is computed again has equal bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: DeviceKind = Field(description="The kind of device of clients and evaluator.")
    precision: Precision = Field(description="The precision there.")
    torch: str | None = Field(description="The aggregator's version of torch; none if nothing was aggregated.")


class Manifest(BaseModel):
    """A round that has ended: the run at that moment, the round with its results, and the outcome of every client."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[3] = 3
    run: Run
    round: Round
    accepted: dict[str, AcceptedUpdate] = Field(
        description="Client → accepted update, in client order, with those that were refused when folded."
    )
    failed: dict[str, str] = Field(description="Client → reason.")
    computed: Computed | None = Field(
        default=None, description="Device, precision and torch; none in manifests of versions that did not say."
    )
    enrolled: tuple[str, ...] = Field(description="Clients that have a class embedding, in client order.")
