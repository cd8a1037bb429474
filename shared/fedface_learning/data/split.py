"""The split of identities into disjoint sets, drawn by a seed: public (for pre-training), clients, test and validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from fedface_core.domain.data_error import DataError, DataReason
from fedface_core.domain.plan import SplitPlan

ScoredPart = Literal["test", "validation"]
"""The part of a split whose identities a model is scored on."""


@dataclass(frozen=True)
class IdentitySplit:
    """Disjoint sets of identities, each in the order of the draw: client ``i`` of a run is ``clients[i]``."""

    public: tuple[str, ...]
    clients: tuple[str, ...]
    test: tuple[str, ...]
    validation: tuple[str, ...]

    def scored(self, part: ScoredPart) -> tuple[str, ...]:
        """The identities of that part."""
        return self.test if part == "test" else self.validation


def split_identities(identities: Sequence[str], split: SplitPlan) -> IdentitySplit:
    """Draw the split. Equal identities, in any order, and an equal plan give an equal split on every machine.

    The test identities are drawn first, then the public ones, then the clients; the validation identities are drawn from the
    other end. So plans that differ only in their numbers of clients share all other identities, and the clients of the
    smaller plan are the first of the larger's; and validation identities change no other part. `DataError` if there are too
    few identities.
    """
    if split.identities > len(identities):
        raise DataError(
            reason=DataReason.TOO_FEW_IDENTITIES,
            public=split.public,
            clients=split.clients,
            test=split.test,
            validation=split.validation,
            needed=split.identities,
            found=len(identities),
        )
    # The order is that of a hash, not of a generator's draws, which the next version of a library could change.
    drawn = sorted(identities, key=lambda identity: sha256(f"{split.seed}/{identity}".encode()).digest())
    public_end = split.test + split.public
    return IdentitySplit(
        public=tuple(drawn[split.test : public_end]),
        clients=tuple(drawn[public_end : public_end + split.clients]),
        test=tuple(drawn[: split.test]),
        validation=tuple(drawn[len(drawn) - split.validation :]),
    )
