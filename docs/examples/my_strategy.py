"""A strategy of one's own: class embeddings that follow the network slowly.

FedFace keeps each class embedding where enrolment put it. Here each client also uploads its mean embedding by the network
that it has just trained, and the aggregator moves the client's class embedding a part of the way towards it. Spreadout
then pushes the class embeddings apart, as in FedFace.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor
from torch.nn.functional import normalize

from fedface_core.domain.ids import client_index
from fedface_core.domain.plan import Plan
from fedface_learning.strategies import ClientRound, ServerResult, ServerRound, Tensors
from fedface_learning.strategies.fedface import FEDFACE, spread_out

RATE = 0.1
"""How far a class embedding moves in one round: 0 is FedFace, 1 replaces it by the client's mean embedding."""


def mean_embedding(client: ClientRound, features_ND: Tensor) -> Tensors:
    """What a client uploads beside its model: its mean embedding (D,), of unit length."""
    embeddings_ND = normalize(features_ND - client.network.centre)
    return {"mean_D": normalize(embeddings_ND.mean(dim=0), dim=0)}


def mean_shape(plan: Plan) -> dict[str, tuple[int, ...]]:
    """The shape of the upload. The aggregator refuses an update with any other."""
    return {"mean_D": (plan.model.embedding_size,)}


def follow(server: ServerRound) -> ServerResult:
    """The end of a round on the aggregator: move the rows of the clients that took part, then spread all rows."""
    rows_CD = server.class_embeddings_CD.clone()
    for client, uploaded in server.uploaded.items():
        row = client_index(client)
        rows_CD[row] = normalize((1 - RATE) * rows_CD[row] + RATE * uploaded["mean_D"], dim=0)
    return spread_out(replace(server, class_embeddings_CD=rows_CD))


MY_STRATEGY = replace(FEDFACE, uploads=mean_embedding, upload_shapes=mean_shape, finish=follow)
