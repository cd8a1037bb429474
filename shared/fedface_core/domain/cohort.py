"""The cohort: how many clients a round invites, how many updates close it, and which clients are drawn."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fedface_core.domain.plan_part import Fraction, PlanPart, PositiveInt

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

    def closing(self, clients: int) -> int:
        """Accepted updates that close a round, of so many clients."""
        invited = self.invited(clients)
        if self.quorum is not None:
            return min(self.quorum, invited)
        if self.quorum_fraction is not None:
            return min(_share(self.quorum_fraction, self.wanted(clients)), invited)
        return min(self.wanted(clients), invited) if self.over_selection > 1 else invited


class Participation(BaseModel):
    """What a client has done in a run's training rounds so far."""

    model_config = ConfigDict(frozen=True)

    invited: int = 0
    accepted: int = 0

    @property
    def reliability(self) -> float:
        """The share of invitations answered, as Laplace estimates it: 1/2 for a client that nobody knows yet."""
        return (self.accepted + 1) / (self.invited + 2)


def draw(
    plan: CohortPlan, seed: int, number: int, clients: Sequence[str], size: int, history: Mapping[str, Participation]
) -> tuple[str, ...]:
    """``size`` of the ``clients`` by the plan's policy, seeded by plan and round, in client order."""
    source = random.Random(f"{seed}/{number}")
    candidates = sorted(clients)
    if plan.selection == "uniform":
        return tuple(sorted(source.sample(candidates, size)))
    shuffled = source.sample(candidates, len(candidates))
    known = {client: history.get(client, Participation()) for client in candidates}
    if plan.selection == "balanced":
        ranked = sorted(shuffled, key=lambda client: known[client].invited)
    else:
        # Efraimidis and Spirakis: the largest u^(1/w) are a weighted sample without replacement.
        ranked = sorted(shuffled, key=lambda client: source.random() ** (1 / known[client].reliability), reverse=True)
    return tuple(sorted(ranked[:size]))


def _share(share: float, whole: int) -> int:
    """At least this share of the whole, and the whole number that was meant where floats miss it by a hair."""
    return ceil(round(share * whole, 9))
