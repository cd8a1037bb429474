"""The part of a plan about simulated devices: a profile, its numbers, and a trace of exceptions."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StrictFloat, StrictInt, model_validator

from fedface_core.domain.ids import ClientId
from fedface_core.domain.plan.part import LARGEST, Count, PlanPart, at_most

# A device that waits longer would outlast the deadlines of rounds and the patience of whoever watches.
LONGEST_WAIT_SECONDS = 300.0
# The ledger stores the trace with the plan of each run. A trace of this length takes about a megabyte.
MOST_TRACE_ENTRIES = 10_000

Probability = Annotated[StrictFloat, Field(ge=0, le=1)]
Wait = Annotated[StrictFloat, Field(ge=0, le=LONGEST_WAIT_SECONDS)]
UploadCount = Annotated[StrictInt, Field(ge=0, le=10)]
DeviceProfile = Literal["ideal", "phones", "flaky"]

# The numbers of each profile. The defaults of `DevicePlan` are the ideal device. docs/operations.md shows these numbers.
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
    """What one client does in one round, or in every training round. Fields that are left out are drawn at random."""

    client: ClientId = Field(description="The client of which the entry tells.")
    round: Count | None = Field(default=None, description="Every training round if left out.")
    seconds: Wait | None = Field(default=None, description="How long the client takes, besides the real training.")
    drops_out: bool | None = Field(default=None, description="Whether the client takes its task and never answers.")
    available: bool | None = Field(default=None, description="False: the client does not answer at all in this round.")
    upload_failures: UploadCount | None = Field(default=None, description="How many uploads fail, one after another.")
    late_seconds: Wait | None = Field(default=None, description="How much later the client delivers its update.")


class DevicePlan(PlanPart):
    """How the simulated devices behave. ``profile`` sets the defaults of the other fields. What each client does is drawn
    from these numbers by the plan's seed.
    """

    profile: DeviceProfile = Field(
        default="ideal", description="`ideal` devices are always available, answer at once, and never fail."
    )
    mean_seconds: Wait = Field(
        default=0.0, description="How long a device takes besides the real training, on average over the clients."
    )
    speed_spread: Annotated[StrictFloat, Field(ge=0, le=3)] = Field(
        default=0.0, description="σ of the logarithm of that time. A slow client is slow in every round."
    )
    dropout: Probability = Field(
        default=0.0,
        description="The probability that a client takes a task and never answers, nor any further one in this round. "
        "With masks a round has three or four tasks, without masks one.",
    )
    available_fraction: Annotated[StrictFloat, Field(gt=0, le=1)] = Field(
        default=1.0,
        description="The share of each period in which a device answers; it answers at another time for each client.",
    )
    availability_period_seconds: Annotated[StrictFloat, Field(gt=0, le=LARGEST)] = Field(
        default=300.0, description="How long a period is, in each of which a device answers for a share of the time."
    )
    upload_failure: Probability = Field(default=0.0, description="The probability that one attempt to upload fails.")
    upload_attempts: Annotated[StrictInt, Field(ge=1, le=10)] = Field(
        default=3, description="How often the client tries to upload before it counts as failed."
    )
    lateness: Probability = Field(default=0.0, description="The probability that a client delivers its update late.")
    lateness_seconds: Wait = Field(default=0.0, description="How much later a late update is delivered.")
    trace: Annotated[tuple[TraceEntry, ...], Field(max_length=MOST_TRACE_ENTRIES), at_most(MOST_TRACE_ENTRIES)] = Field(
        default=(), description="Exceptions to the draws. In a plan file: the name of a trace file, CSV or JSON lines."
    )

    @property
    def simulated(self) -> bool:
        """Whether devices behave in any way that an ideal device does not."""
        return self != DevicePlan()

    @property
    def always_available(self) -> bool:
        """Whether no device is away for a part of each period. A trace may still say that one does not answer."""
        return self.available_fraction == 1

    @model_validator(mode="before")
    @classmethod
    def _with_profile_numbers(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        return PROFILES.get(str(given.get("profile", "ideal")), {}) | given

    @model_validator(mode="after")
    def _waits_are_within_the_limit(self) -> Self:
        waits = self.mean_seconds + self.lateness_seconds
        if waits > LONGEST_WAIT_SECONDS:
            raise ValueError(
                f"mean_seconds and lateness_seconds make {waits:g} together; "
                f"a device may wait {LONGEST_WAIT_SECONDS:g} seconds at most, or it outlasts the deadlines of rounds"
            )
        return self

    @model_validator(mode="after")
    def _trace_has_no_duplicates(self) -> Self:
        counts = Counter((entry.client, entry.round) for entry in self.trace)
        for (client, number), count in counts.items():
            if count > 1:
                when = "without a round" if number is None else f"for round {number}"
                raise ValueError(f"trace has {count} entries of {client} {when}; make one of them")
        return self
