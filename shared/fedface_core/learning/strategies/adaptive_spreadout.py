"""FedFace whose spreadout parts only the hardest pairs, at a margin that follows the cosines it measures. Ours.

Each client's class embedding is pushed away from its k nearest others, as in Yu et al. (ICML 2020), which is every pair for
k = C − 1. The margin of a round is ``min(mean_{c≠c'} w_c·w_c' + offset, ν)``, with the mean taken before the step: a
pair is too close where it is closer than pairs are at present, and ν of the plan is the most that is put up with. Clients
send their mean embedding along, so that W follows the network, and there is something to spread after enrolment.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from fedface_core.domain.plan import SpreadoutPlan
from fedface_core.domain.strategy_plan import AdaptiveSpreadoutPlan
from fedface_core.learning.spreadout import spread, spreadout_stats
from fedface_core.learning.strategies.fedface import FEDFACE
from fedface_core.learning.strategies.mean_embeddings import mean_shape, own_mean, with_uploaded_means
from fedface_core.learning.strategies.strategy import ServerResult, ServerRound


def spread_the_nearest(at_hand: ServerRound) -> ServerResult:
    """W from the means that clients have sent, after one spreadout of near pairs at the round's own margin.

    The loss in the statistics is over all pairs, at that margin.
    """
    strategy = at_hand.plan.strategy
    assert isinstance(strategy, AdaptiveSpreadoutPlan)
    class_embeddings_CD = with_uploaded_means(at_hand)
    margin = adapted_margin(class_embeddings_CD, at_hand.plan.spreadout, strategy.offset)
    at_margin = at_hand.plan.spreadout.model_copy(update={"margin": margin})
    return ServerResult(*spread(class_embeddings_CD, at_margin, strategy.nearest))


def adapted_margin(class_embeddings_CD: Tensor, plan: SpreadoutPlan, offset: float) -> float:
    """``min(mean_{c≠c'} w_c·w_c' + offset, ν)`` over the enrolled clients."""
    enrolled_CD = class_embeddings_CD[class_embeddings_CD.any(dim=1)].double()
    return min(spreadout_stats(enrolled_CD, plan).mean_off_diagonal_cosine + offset, plan.margin)


ADAPTIVE_SPREADOUT = replace(FEDFACE, uploads=own_mean, upload_shapes=mean_shape, finish=spread_the_nearest)
