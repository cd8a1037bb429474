"""What is made of a round's partials: the next model version, the class embeddings, and what the next round needs beside."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fedface_core.domain.errors import TooFewUpdatesError
from fedface_core.domain.round_kind import RoundKind
from fedface_learning.aggregation import PARTIALS, Partial
from fedface_learning.aggregation.reduced_round import ReducedRound, reduced_round
from fedface_learning.aggregation.server_state import joined
from fedface_learning.models.weights import encode_network
from fedface_learning.strategies import ServerRound, strategy_of


def reduce_partials(partials: Iterable[Partial], before: ServerRound) -> ReducedRound:
    """Merge the partials in shard order, average, have the strategy finish the round, and encode what came out.

    ``partials`` are of the round's kind, and are taken one at a time. ``before`` is the round before anything of it came in:
    its network is the model that the round started from, and becomes the next one, in place. `TooFewUpdatesError` if no
    update was folded.
    """
    total = _merged(partials, RoundKind.of(before.number))
    if not total.folded:
        raise TooFewUpdatesError(0, before.plan.cohort.minimum, total.refused)
    averaged = total.averaged(before)
    result = strategy_of(before.plan).finish(averaged.at_hand)
    return reduced_round(
        encode_network(before.network),
        replace(result, state=joined(averaged.moments, result.state)),
        folded=total.folded,
        images=averaged.images,
        uploaded_bytes=total.size,
        refused=total.refused,
        update_norm=averaged.update_norm,
        loss_before=averaged.loss_before,
        loss_after=averaged.loss_after,
    )


def _merged(partials: Iterable[Partial], kind: RoundKind) -> Partial:
    total = PARTIALS[kind]()
    for partial in partials:
        total.merge(partial)
    return total
