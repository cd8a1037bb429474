"""Who is invited to a round, how many updates close it, and when it is given up."""

from __future__ import annotations

from math import ceil
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fedface_core.domain.plan.part import Fraction, PlanPart, PositiveInt

LONGEST_SECONDS = 366 * 86_400  # far from where dates end


class CohortPlan(PlanPart):
    """Who is invited to a round, what closes it, and when it is given up."""

    size: PositiveInt | None = Field(default=None, description="Updates wanted of a round; of all clients by default.")
    fraction: Fraction | None = Field(default=None, description="The same as a share of the clients, instead of `size`.")
    over_selection: Annotated[float, Field(ge=1, le=10)] = Field(
        default=1.0,
        description="Clients invited for each update wanted: with 1.3, the slowest 3 of 13 are not awaited.",
    )
    quorum: PositiveInt | None = Field(
        default=None,
        description="Accepted updates that close the round at once. By default the size where more are invited, "
        "else it waits for all invited.",
    )
    quorum_fraction: Fraction | None = Field(default=None, description="The same as a share of the size.")
    selection: Literal["uniform", "balanced", "reliable"] = Field(
        default="uniform",
        description="`uniform`: each client with the same chance; `balanced`: those invited least often so far; "
        "`reliable`: with a chance that grows with the share of invitations a client has answered.",
    )
    minimum: PositiveInt = Field(default=1, description="With fewer accepted updates than this, the round is abandoned.")
    retries: Annotated[int, Field(ge=0)] = Field(
        default=2,
        description="So many abandoned rounds in a row are followed by a fresh cohort; one more fails the run.",
    )
    deadline_seconds: Annotated[float, Field(gt=0, le=LONGEST_SECONDS)] = Field(
        default=600.0, description="A round closes after this long; a year at most."
    )
    shard_size: PositiveInt = Field(default=32, description="Updates that one aggregator task sums.")
    attempts: PositiveInt = Field(default=5, description="Deliveries of one client's task before it counts as failed.")
    max_update_norm: Annotated[float, Field(gt=0)] = Field(
        default=100.0, description="An update further than this (L2 over all parameters) from the global model is refused."
    )

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> Self:
        for count, share in (("size", "fraction"), ("quorum", "quorum_fraction")):
            if getattr(self, count) is not None and getattr(self, share) is not None:
                raise ValueError(f"give `{count}` or `{share}`, not both")
        return self

    def wanted(self, clients: int) -> int:
        """Updates wanted of a round, of so many clients."""
        return self.size or _share(self.fraction or 1.0, clients)

    def invited(self, clients: int) -> int:
        """Clients invited to a round, of so many."""
        return min(_share(self.over_selection, self.wanted(clients)), clients)

    def quorum_for(self, clients: int) -> int:
        """Accepted updates that close a round, of so many clients."""
        invited = self.invited(clients)
        if self.quorum is not None:
            return min(self.quorum, invited)
        if self.quorum_fraction is not None:
            return min(_share(self.quorum_fraction, self.wanted(clients)), invited)
        return min(self.wanted(clients), invited) if self.over_selection > 1 else invited


def _share(share: float, whole: int) -> int:
    """At least this share of the whole, and the whole number that was meant where floats miss it by a hair."""
    return ceil(round(share * whole, 9))
