"""Plain federated averaging (McMahan et al., AISTATS 2017): FedFace without spreadout.

Class embeddings stay as enrolment made them. A client has photographs of one person only, so nothing keeps the faces of
different clients apart.
"""

from __future__ import annotations

from dataclasses import replace

from fedface_learning.objectives.spreadout import spreadout_stats
from fedface_learning.strategies.fedface import FEDFACE
from fedface_learning.strategies.strategy import ServerResult, ServerRound


def keep_class_embeddings(server_round: ServerRound) -> ServerResult:
    """W (C, D) unchanged, and the statistics of its cosines."""
    class_embeddings_CD = server_round.class_embeddings_CD
    enrolled_CD = class_embeddings_CD[class_embeddings_CD.any(dim=1)]
    return ServerResult(class_embeddings_CD, spreadout_stats(enrolled_CD.double(), server_round.plan.spreadout))


FEDAVG = replace(FEDFACE, finish=keep_class_embeddings)
