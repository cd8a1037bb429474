"""The terms under which a client masks: what the plan promises it, and what it checks before it shares any key.

Whoever says what a shard's round is could say that one share gives a secret, or that a sum of two may be unmasked. So a
client computes the graph itself. Without its key bundle nobody has a share of its secrets, so to check once is enough.
"""

from __future__ import annotations

from math import ceil, log2
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from fedface_core.secure_aggregation.errors import RevealRefusedError
from fedface_core.secure_aggregation.graph_parameters import MOST_CLIENTS, Against, GraphParameters, choose_parameters
from fedface_core.secure_aggregation.shard_round import ShardRound

SECRECY_BITS: Final = 40
"""Of a whole run: with a chance of 2⁻⁴⁰ at most, some graph of it is bad."""


class MaskTerms(BaseModel):
    """What a run promises its clients of the masks of each shard."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    against: Against
    corrupt: Annotated[float, Field(gt=0, lt=1)] = Field(description="The share of a shard that may collude.")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(description="The share that may drop out, in all phases together.")
    minimum: Annotated[int, Field(ge=2, le=MOST_CLIENTS)] = Field(
        default=8, description="Updates in a sum that may be unmasked."
    )
    graphs: Annotated[int, Field(ge=1)] = Field(description="How many are drawn in the run: its rounds times its shards.")

    def graph(self, clients: int) -> GraphParameters:
        """The graph of a shard of so many clients. `InvalidInputError` if none is good enough."""
        bits = SECRECY_BITS + ceil(log2(self.graphs))
        return choose_parameters(clients, self.corrupt, self.dropout, self.against, secrecy_bits=bits)

    def check(self, shard_round: ShardRound) -> None:
        """Raise `RevealRefusedError` unless a shard's round has the graph of these terms, and their minimum at least."""
        graph = self.graph(len(shard_round.members))
        offered = GraphParameters(shard_round.degree, shard_round.threshold, shard_round.signers)
        if offered != graph:
            raise RevealRefusedError(f"{shard_round} has {offered}, and by its plan a shard of this size has {graph}")
        if shard_round.minimum < self.minimum:
            raise RevealRefusedError(
                f"{shard_round} would unmask a sum of {shard_round.minimum} updates, and its plan none below {self.minimum}"
            )
