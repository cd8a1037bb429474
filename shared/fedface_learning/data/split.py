"""Which identities are public (pre-training), which are clients, and which are tested. Disjoint, drawn by the seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import SplitPlan


@dataclass(frozen=True)
class IdentitySplit:
    """Three disjoint sets of identities, each in the order drawn: client ``i`` of a run holds ``clients[i]``."""

    public: tuple[str, ...]
    clients: tuple[str, ...]
    test: tuple[str, ...]


def split_identities(identities: Sequence[str], split: SplitPlan) -> IdentitySplit:
    """Draw the split. The same identities, numbers and seed give the same split on every machine.

    The test identities are drawn first, then the public ones, then the clients. So plans that differ only in how many
    clients they have share their test and public identities, and the smaller's clients are the first of the larger's.
    `InvalidInputError` where there are too few identities.
    """
    if split.identities > len(identities):
        raise InvalidInputError(
            f"split: {split.public} public + {split.clients} clients + {split.test} test are {split.identities} identities, "
            f"but the data set has {len(identities)}"
        )
    # Ordering by a hash, not by a generator: no library's next version can change what it draws.
    drawn = sorted(identities, key=lambda identity: sha256(f"{split.seed}/{identity}".encode()).digest())
    public_end = split.test + split.public
    return IdentitySplit(
        public=tuple(drawn[split.test : public_end]),
        clients=tuple(drawn[public_end : split.identities]),
        test=tuple(drawn[: split.test]),
    )
