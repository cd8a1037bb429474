"""The manifest of an ended round: a JSON object in the artifact store, from which a run is resumed if the ledger is lost."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from fedface_core.domain.device_kinds import DeviceKind, Precision
from fedface_core.domain.round import Round
from fedface_core.domain.run import Run
from fedface_core.domain.update import AcceptedUpdate

MOST_BUILDS: Final = 32
"""Builds of workers that a manifest names."""


class WorkerBuild(BaseModel):
    """What some workers of a service compute with, as they said themselves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    service: Literal["client", "evaluator"]
    torch: str | None = Field(description="Their version of torch; none if they did not say.")
    gpu: str | None = Field(description="What their GPU is called; none on a CPU, or if they did not say.")


class Computed(BaseModel):
    """What a round was computed with, as far as control knows: a difference in bytes is looked for here first.

    Equal values do not promise equal bytes: these also depend on the kind of CPU and the number of threads, and on a GPU on
    its driver.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: DeviceKind = Field(description="The kind of device of clients and evaluator.")
    precision: Precision = Field(description="The precision there.")
    torch: str | None = Field(description="The aggregator's version of torch; none if nothing was aggregated.")
    workers: Annotated[tuple[WorkerBuild, ...], Field(min_length=1, max_length=MOST_BUILDS)] | None = Field(
        default=None,
        description="Each build among the workers that took the tasks of clients when the round ended, and of evaluation, "
        "if there was any. None if that is unknown: nobody said, or the manifest is of a version that did not ask.",
    )
    other_builds: Annotated[int, Field(ge=0)] = Field(
        default=0, description="How many more builds there were than a manifest names."
    )


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
        default=None, description="Device, precision, torch and GPUs; none in manifests of versions that did not say."
    )
    enrolled: tuple[str, ...] = Field(description="Clients that have a class embedding, in client order.")
