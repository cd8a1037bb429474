"""The part of a plan that says how the simulated devices behave: a profile, its numbers, and a trace of exceptions."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from fedface_core.domain.ids import ClientId
from fedface_core.domain.plan.part import PlanPart

# A waiting device occupies a worker. With its uploads' pauses (under a minute) and the training itself, this stays
# within a task's time limit of 600 s.
LONGEST_WAIT_SECONDS = 300.0
# The trace is part of the plan, and the plan of each run's record in the ledger: about a megabyte at this size.
MOST_TRACE_ENTRIES = 10_000

Probability = Annotated[float, Field(ge=0, le=1)]
Wait = Annotated[float, Field(ge=0, le=LONGEST_WAIT_SECONDS)]
UploadCount = Annotated[int, Field(ge=0, le=10)]
DeviceProfile = Literal["ideal", "phones", "flaky"]

# What each profile changes of the defaults below, which are the ideal device. docs/operations.md shows the same numbers.
PROFILES: dict[str, dict[str, Any]] = {
    "ideal": {},
    "phones": {
        "mean_seconds": 2.0,
        "speed_spread": 0.5,
        "dropout": 0.05,
        "available_fraction": 0.8,
        "upload_failure": 0.05,
        "lateness": 0.05,
        "lateness_seconds": 5.0,
    },
    "flaky": {
        "mean_seconds": 3.0,
        "speed_spread": 0.8,
        "dropout": 0.2,
        "available_fraction": 0.6,
        "upload_failure": 0.3,
        "lateness": 0.2,
        "lateness_seconds": 20.0,
    },
}


class TraceEntry(PlanPart):
    """What one client does in one round, or in each training round. What is left out, the draws decide."""

    client: ClientId
    round: Annotated[int, Field(ge=0)] | None = Field(default=None, description="Each training round where left out.")
    seconds: Wait | None = Field(default=None, description="How long it takes, on top of the real training.")
    drops_out: bool | None = Field(default=None, description="It takes the task and is never heard of again.")
    available: bool | None = Field(default=None, description="False: it does not answer at all in this round.")
    upload_failures: UploadCount | None = Field(default=None, description="Uploads that break off, one after another.")
    late_seconds: Wait | None = Field(default=None, description="Its update is delivered this much later.")


class DevicePlan(PlanPart):
    """How the simulated devices behave. ``profile`` names defaults for the rest; each client draws its own, by the seed."""

    profile: DeviceProfile = Field(default="ideal", description="`ideal` devices are always there, at once, and never fail.")
    mean_seconds: Wait = Field(
        default=0.0, description="What a device takes on top of the real training, on average over the clients."
    )
    speed_spread: Annotated[float, Field(ge=0, le=3)] = Field(
        default=0.0, description="σ of the logarithm of that time. A slow client is slow in every round."
    )
    dropout: Probability = Field(default=0.0, description="That a client takes a round's task and is never heard of again.")
    available_fraction: Annotated[float, Field(gt=0, le=1)] = Field(
        default=1.0, description="The part of each period in which a device answers; each client's window lies elsewhere."
    )
    availability_period_seconds: Annotated[float, Field(gt=0)] = 300.0
    upload_failure: Probability = Field(default=0.0, description="That one attempt to upload breaks off.")
    upload_attempts: Annotated[int, Field(ge=1, le=10)] = Field(
        default=3, description="Attempts to upload before the client gives up and counts as failed."
    )
    lateness: Probability = Field(default=0.0, description="That a client delivers its update late.")
    lateness_seconds: Wait = Field(default=0.0, description="How much later it is then.")
    trace: Annotated[tuple[TraceEntry, ...], Field(max_length=MOST_TRACE_ENTRIES)] = Field(
        default=(), description="Exceptions to the draws. In a plan file: the name of a trace file, CSV or JSON lines."
    )

    @property
    def simulated(self) -> bool:
        """Whether a device may do anything that an ideal one does not."""
        return self != DevicePlan()

    @model_validator(mode="before")
    @classmethod
    def _profile_first(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return PROFILES.get(str(given.get("profile", "ideal")), {}) | given

    @model_validator(mode="after")
    def _waits_within_the_limit(self) -> Self:
        waits = self.mean_seconds + self.lateness_seconds
        if waits > LONGEST_WAIT_SECONDS:
            raise ValueError(
                f"mean_seconds and lateness_seconds make {waits:g} together; "
                f"a device may wait {LONGEST_WAIT_SECONDS:g} seconds at most, for it occupies a worker"
            )
        return self

    @model_validator(mode="after")
    def _one_entry_each(self) -> Self:
        counts = Counter((entry.client, entry.round) for entry in self.trace)
        twice = next((place for place, count in counts.items() if count > 1), None)
        if twice is not None:
            client, number = twice
            when = "without a round" if number is None else f"for round {number}"
            raise ValueError(f"trace has {counts[twice]} entries of {client} {when}; make one of them")
        return self
