"""Plain federated averaging (McMahan et al., AISTATS 2017): FedFace without spreadout.

Class embeddings stay where enrolment has put them, and nothing keeps the faces of clients with positives only apart.
"""

from __future__ import annotations

from dataclasses import replace

from fedface_learning.objectives.spreadout import spreadout_stats
from fedface_learning.strategies.fedface import FEDFACE
from fedface_learning.strategies.strategy import ServerResult, ServerRound


def leave_alone(at_hand: ServerRound) -> ServerResult:
    """W as it was, and its cosines."""
    class_embeddings_CD = at_hand.class_embeddings_CD
    enrolled_CD = class_embeddings_CD[class_embeddings_CD.any(dim=1)]
    return ServerResult(class_embeddings_CD, spreadout_stats(enrolled_CD.double(), at_hand.plan.spreadout))


FEDAVG = replace(FEDFACE, finish=leave_alone)
