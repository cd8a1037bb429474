"""The part of a plan about cohorts: who is invited to a round, how many updates close it, and when it is abandoned."""

from __future__ import annotations

from math import isqrt
from typing import Annotated, Final, Literal, Self

from pydantic import Field, StrictFloat, model_validator

from fedface_core.domain.plan.part import Count, Fraction, PlanPart, PositiveInt
from fedface_core.domain.share import share_of

DEFAULT_MINIMUM: Final = 3
"""Of the updates behind a model. Who knows one of two updates, as each of the two clients does, can compute the other one
from their average. For this reason, a sum that is published usually has three contributors at least (Hundepool et al.,
*Statistical Disclosure Control*, 2012, chapter 4: the minimum frequency rule)."""
DEFAULT_SHARD_SIZE: Final = 32
"""Of small cohorts, and of masked updates."""
LONGEST_SECONDS = 366 * 86_400  # far from the last date that `datetime` has
LARGEST_NORM = 1e38  # about the largest number in single precision


class CohortPlan(PlanPart):
    """Who is invited to a round, how many updates close it, and when it is abandoned."""

    size: PositiveInt | None = Field(
        default=None, description="How many updates a round should have; one from every client by default."
    )
    fraction: Fraction | None = Field(default=None, description="The size as a share of the clients, instead of `size`.")
    over_selection: Annotated[StrictFloat, Field(ge=1, le=10)] = Field(
        default=1.0,
        description="How many clients are invited, as a multiple of the size: with 1.3 and size 10, 13 clients are invited, "
        "and the round does not wait for the slowest 3.",
    )
    quorum: PositiveInt | None = Field(
        default=None,
        description="How many accepted updates close the round at once. By default the size if `over_selection` is above 1, "
        "else the number of invited clients.",
    )
    quorum_fraction: Fraction | None = Field(
        default=None, description="The quorum as a share of the size, instead of `quorum`."
    )
    selection: Literal["uniform", "balanced", "reliable"] = Field(
        default="uniform",
        description="Who is invited. `uniform`: each client with the same chance; `balanced`: the clients with the fewest "
        "invitations so far; `reliable`: a client's chance grows with the share of its invitations that it has answered.",
    )
    minimum: PositiveInt | None = Field(
        default=None,
        # Left out of the JSON, as older services do not read a null.
        exclude_if=lambda minimum: minimum is None,
        description="A round with fewer usable updates than this is abandoned, and no model is made of them. By default 3, "
        "or all clients if there are fewer. A model of fewer people's updates may tell about single people; to allow it, "
        "say so here.",
    )
    retries: Count = Field(
        default=2,
        description="How many abandoned rounds in a row are followed by a fresh cohort; one more fails the run.",
    )
    deadline_seconds: Annotated[StrictFloat, Field(gt=0, le=LONGEST_SECONDS)] = Field(
        default=600.0, description="A round closes after this time; a year at most."
    )
    shard_size: PositiveInt | None = Field(
        default=None,
        exclude_if=lambda shard_size: shard_size is None,
        description="How many updates one aggregator task sums. By default 32, or the square root of the cohort if that is "
        "more: then there are as many sums as each has updates, and no task has much more to add than another. It changes "
        "no byte of the model.",
    )
    attempts: PositiveInt = Field(
        default=5, description="How often the task of one client is delivered before the client counts as failed."
    )
    max_update_norm: Annotated[StrictFloat, Field(gt=0, le=LARGEST_NORM)] = Field(
        default=100.0,
        description="An update is refused if its distance from the global model (L2 over all parameters) is above this.",
    )

    @model_validator(mode="after")
    def _either_count_or_share(self) -> Self:
        for count, share in (("size", "fraction"), ("quorum", "quorum_fraction")):
            if getattr(self, count) is not None and getattr(self, share) is not None:
                raise ValueError(f"give `{count}` or `{share}`, not both")
        return self

    def minimum_for(self, clients: int) -> int:
        """How many updates a model version is made of at least if the run has ``clients`` clients."""
        return min(DEFAULT_MINIMUM, clients) if self.minimum is None else self.minimum

    def shard_size_for(self, clients: int) -> int:
        """How many clients of a cohort of ``clients`` are in a shard, if their updates have no masks."""
        return self.shard_size or max(DEFAULT_SHARD_SIZE, isqrt(clients))

    def wanted(self, clients: int) -> int:
        """How many updates a round should have if the run has ``clients`` clients."""
        return self.size or share_of(self.fraction or 1.0, clients)

    def invited(self, clients: int) -> int:
        """How many clients are invited to a round if the run has ``clients`` clients."""
        return min(share_of(self.over_selection, self.wanted(clients)), clients)

    def quorum_for(self, clients: int) -> int:
        """How many accepted updates close a round if the run has ``clients`` clients."""
        invited = self.invited(clients)
        if self.quorum is not None:
            return min(self.quorum, invited)
        if self.quorum_fraction is not None:
            return min(share_of(self.quorum_fraction, self.wanted(clients)), invited)
        return min(self.wanted(clients), invited) if self.over_selection > 1 else invited
