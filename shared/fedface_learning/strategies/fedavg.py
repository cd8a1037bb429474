"""Plain federated averaging (McMahan et al., AISTATS 2017): FedFace without spreadout.

Class embeddings stay where enrolment has put them, and nothing keeps the faces of clients with positives only apart.
"""

from __future__ import annotations

from dataclasses import replace

from fedface_learning.objectives.spreadout import spread
from fedface_learning.strategies.fedface import FEDFACE
from fedface_learning.strategies.strategy import ServerResult, ServerRound


def leave_alone(at_hand: ServerRound) -> ServerResult:
    """W as it was, and its cosines."""
    no_steps = at_hand.plan.spreadout.model_copy(update={"steps": 0})
    return ServerResult(*spread(at_hand.class_embeddings_CD, no_steps))


FEDAVG = replace(FEDFACE, finish=leave_alone)
