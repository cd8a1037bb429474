"""The end of a round's aggregation: from partials to model version, class embeddings, server state and guidance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from fedface_core.domain.errors import TooFewUpdatesError
from fedface_core.domain.round_kind import RoundKind
from fedface_learning.aggregation import PARTIALS, Partial
from fedface_learning.aggregation.finite import require_finite
from fedface_learning.aggregation.partial import AveragedRound
from fedface_learning.aggregation.reduced_round import ReducedRound, reduced_round
from fedface_learning.aggregation.server_state import join_states
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.models.trial import try_out
from fedface_learning.models.weights import encode_network
from fedface_learning.strategies import ServerRound, strategy_of

_LOWER_RATES = "lower the learning rates of local_training, aggregation.optimiser and the strategy"


def reduce_partials(
    partials: Iterable[Partial],
    before: ServerRound,
    encode: Callable[[EmbeddingNetwork], Sequence[bytes | memoryview]] = lambda network: [encode_network(network)],
) -> ReducedRound:
    """Merge the partials, average, let the strategy finish the round, and encode the result.

    ``partials`` are of the round's kind; they are read one at a time. ``before`` is the round before any update was added:
    its network is the model that the round started from, and becomes the next model version, in place. ``encode`` gives the
    bytes of that network, in parts; nothing is done with the network afterwards. `TooFewUpdatesError`
    if no update was folded; `InvalidInputError` if a number of the result is not finite, with the step that made it;
    `UnusableModelError` if the next model version gives no embeddings.
    """
    total = _merge(partials, RoundKind.of(before.number))
    if not total.folded:
        raise TooFewUpdatesError(0, before.plan.cohort.minimum_for(before.plan.split.clients), total.refused)
    averaged = total.average(before)
    _require_finite_average(averaged)
    result = strategy_of(before.plan).finish(averaged.server_round)
    require_finite(before.network.state_dict(), f"the strategy {before.plan.strategy.name}", _LOWER_RATES)
    try_out(before.network)
    return reduced_round(
        encode(before.network),
        replace(result, state=join_states(averaged.moments, result.state)),
        folded=total.folded,
        images=averaged.images,
        uploaded_bytes=total.size,
        refused=total.refused,
        clipped=total.clipped,
        update_norm=averaged.update_norm,
        loss_before=averaged.loss_before,
        loss_after=averaged.loss_after,
    )


def _require_finite_average(averaged: AveragedRound) -> None:
    """`InvalidInputError` if the average, the server optimiser's moments or the losses are not finite."""
    before = averaged.server_round
    figures = {
        "the norm of the change": averaged.update_norm,
        "the loss before training": averaged.loss_before,
        "the loss after training": averaged.loss_after,
    }
    step = f"averaging, with the server optimiser {before.plan.aggregation.optimiser.name}"
    require_finite({**before.network.state_dict(), **averaged.moments, **figures}, step, _LOWER_RATES)


def _merge(partials: Iterable[Partial], kind: RoundKind) -> Partial:
    total = PARTIALS[kind]()
    for partial in partials:
        total.merge(partial)
    return total
