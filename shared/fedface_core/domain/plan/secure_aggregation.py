"""The part of a plan about secure aggregation: masks that hide each update and cancel in the sum of a shard (ADR 41)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import Field, StrictFloat, StrictInt

from fedface_core.domain.mask_graph import MOST_CLIENTS, Against, can_be_masked
from fedface_core.domain.plan.cohort import LONGEST_SECONDS
from fedface_core.domain.plan.part import PlanPart

LEAST_SHARD: Final = 16
"""Clients of a masked shard: with fewer of them, the few that may collude or drop out leave hardly anybody to hide among."""
MOST_IN_SHARD: Final = 256
"""The largest `cohort.shard_size` of masked shards: the bounds of larger graphs take seconds to compute."""
SECRECY_BITS: Final = 40
"""Of a whole run: with a chance of 2⁻⁴⁰ at most, some graph of it is bad."""


class SecureAggregationPlan(PlanPart):
    """Against whom updates are masked, how many clients of a shard may fail, and how long the further phases may take."""

    against: Against = Field(
        default="curious",
        description="`curious`: aggregator and control keep to the protocol, and look at all that they get. `lying`: they "
        "may also tell different clients of different accepted sets. It takes more shares, and signatures of the set.",
    )
    corrupt: Annotated[StrictFloat, Field(gt=0, lt=1)] = Field(
        default=0.2, description="The share of a shard's clients that may collude with the aggregator."
    )
    dropout: Annotated[StrictFloat, Field(ge=0, lt=1)] = Field(
        default=0.3,
        description="The share of a shard's clients that may drop out, in all phases of a round together. Clients invited "
        "beyond the quorum count as dropped out.",
    )
    minimum: Annotated[StrictInt, Field(ge=2, le=MOST_CLIENTS)] = Field(
        default=8, description="A sum of fewer updates of a shard than this is not unmasked."
    )
    sharing_deadline_seconds: Annotated[StrictFloat, Field(gt=0, le=LONGEST_SECONDS)] = Field(
        default=120.0, description="The sharing of keys closes after this time. Who has shared none by then does not train."
    )
    unmasking_deadline_seconds: Annotated[StrictFloat, Field(gt=0, le=LONGEST_SECONDS)] = Field(
        default=120.0,
        description="A closed round waits so long for shares that unmask it. Shards with too few of them are left out.",
    )

    def shard_size_for(self, clients: int, wanted: int) -> int:
        """The size of the shards of ``clients``: the smallest from ``wanted`` on with which all of them can be masked.

        The last shard may be smaller, but not below `LEAST_SHARD`. If no size will do, the shards are as they are wanted.
        """
        sizes = range(max(min(wanted, clients), 1), min(2 * wanted, clients) + 1)
        return next((size for size in sizes if self._can_mask(sizes_of_shards(clients, size))), wanted)

    def _can_mask(self, sizes: Sequence[int]) -> bool:
        return sizes[0] >= LEAST_SHARD and all(
            can_be_masked(size, self.corrupt, self.dropout, self.against) for size in sizes
        )


def sizes_of_shards(clients: int, shard_size: int) -> tuple[int, ...]:
    """How many clients the shards have, each number once, the smallest first."""
    last = clients % shard_size
    return tuple(sorted({min(shard_size, clients), *({last} if last else ())}))
