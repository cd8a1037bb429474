"""One shard in one round: all that its keys and masks depend on, under one digest.

Two rounds that differ in anything here have keys that have nothing in common. That is how no mask hides two updates:
whatever an update is computed from is in ``basis``, and the roster, on which masks depend too, says who has shared keys.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from fedface_core.domain.ids import RunId, Sha256
from fedface_core.domain.mask_graph import MOST_CLIENTS
from fedface_core.domain.results import Counted
from fedface_core.secure_aggregation.derivation import digest
from fedface_core.secure_aggregation.device import DeviceKeys
from fedface_core.secure_aggregation.neighbours import draw_neighbours


class ShardRound(BaseModel):
    """The round of one shard, as every client of the shard is told it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: RunId
    life: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] = Field(
        description="Of the run: one that is deleted and created again has its old id, but another life."
    )
    number: Counted
    shard: Counted
    basis: Sha256 = Field(description="The digest of all that the round's updates are computed from: plan, model, guidance.")
    start: Sha256 = Field(description="The digest of what a client itself reads of it: the model version and the guidance.")
    members: Annotated[tuple[DeviceKeys, ...], Field(min_length=3, max_length=MOST_CLIENTS)]
    degree: Annotated[int, Field(gt=0, lt=MOST_CLIENTS)] = Field(description="Neighbours of each client.")
    threshold: Annotated[int, Field(gt=1, lt=MOST_CLIENTS)] = Field(description="Shares that give a secret.")
    signers: Annotated[int, Field(ge=0, le=MOST_CLIENTS)] = Field(
        description="Signatures of an accepted set without which a client reveals nothing."
    )
    minimum: Annotated[int, Field(ge=2, le=MOST_CLIENTS)] = Field(description="Updates in a sum that may be unmasked.")

    @model_validator(mode="after")
    def _fit_together(self) -> ShardRound:
        clients = [member.client for member in self.members]
        if clients != sorted(set(clients)):
            raise ValueError("members: each client once, in client order")
        if self.degree >= len(clients) or (self.degree % 2 and self.degree != len(clients) - 1):
            raise ValueError(f"degree: must be even and below {len(clients)}, or {len(clients) - 1}")
        if self.threshold > self.degree:
            raise ValueError(f"threshold: a client has {self.degree} neighbours, so no more shares than that")
        return self

    def __str__(self) -> str:
        """For messages."""
        return f"shard {self.shard} of round {self.number} of {self.run_id}"

    @cached_property
    def digest(self) -> str:
        """The name of this round of the shard in every key, seal and signature."""
        members = [(member.client, member.signing_key, member.sealing_key) for member in self.members]
        place = (self.run_id, self.life, self.number, self.shard, self.basis)
        return digest("shard round", place, members, (self.degree, self.threshold, self.signers, self.minimum))

    @cached_property
    def keys(self) -> dict[str, DeviceKeys]:
        """Client → its device's public keys."""
        return {member.client: member for member in self.members}

    def neighbours(self, client: str) -> tuple[str, ...]:
        """The neighbours of a client, in client order."""
        return tuple(self.members[index].client for index in self._graph[self._index[client]])

    def point(self, client: str) -> int:
        """Where the shares of this client lie, on the polynomials of all others."""
        return self._index[client] + 1

    @cached_property
    def _index(self) -> dict[str, int]:
        return {member.client: index for index, member in enumerate(self.members)}

    @cached_property
    def _graph(self) -> tuple[tuple[int, ...], ...]:
        return draw_neighbours(bytes.fromhex(self.digest), len(self.members), self.degree)
