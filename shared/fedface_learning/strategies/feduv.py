"""FedUV (Hosseini et al., *Federated Learning of User Verification Models Without Sharing Embeddings*, ICML 2021).

A client's class embedding is a secret codeword v ∈ {−1, 1}^c of an error-correcting code, so that any two are far apart and
no negatives are needed. It minimises ``max(0, 1 − vᵀσ(W f(x)) / c)``, where σ brings its argument to the length √c: with
unit embeddings f and a W that keeps lengths, that is ``1 − (v/√c)·f(x)``, or one minus the cosine.

What is not the authors': W, which they learn with the network, is the identity here, and c is D. The last layer of our
networks is linear, so it can learn what W could; embeddings are then compared after W, where the authors decide too. The
codewords are drawn by the aggregator, as random class embeddings are; in the paper the server numbers the clients, and each
draws the other bits of its message by itself. If D is no power of two, or too small for the message, the code's first D bits
are taken. Verification of unseen people is by cosine, as with every strategy here.

C clients, N images, D dimensions, K bits of a message.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.strategy import FedUVPlan
from fedface_core.domain.round_kind import ENROLMENT_ROUND
from fedface_learning.objectives.codewords import widest_code
from fedface_learning.seeding import generator
from fedface_learning.strategies.fedavg import keep_class_embeddings
from fedface_learning.strategies.fedface import FEDFACE
from fedface_learning.strategies.strategy import ClientRound, ServerResult, ServerRound


def correlation_loss(client_round: ClientRound, features_ND: Tensor) -> Tensor:
    """``mean_i max(0, 1 − w·f(x_i))`` of raw features (N, D), a scalar; w is the client's codeword at unit length."""
    embeddings_ND = normalize(features_ND - client_round.network.centre)
    return torch.clamp(1 - (embeddings_ND * client_round.class_embedding_D).sum(dim=1), min=0).mean()


def give_codewords(server_round: ServerRound) -> ServerResult:
    """W (C, D): at enrolment each enrolled client gets a codeword, and later W stays as it is."""
    if server_round.number == ENROLMENT_ROUND:
        enrolled_C1 = server_round.class_embeddings_CD.any(dim=1, keepdim=True)
        server_round = replace(server_round, class_embeddings_CD=codewords(server_round.plan) * enrolled_C1)
    return keep_class_embeddings(server_round)


def codewords(plan: Plan) -> Tensor:
    """The codeword of each client (C, D), float32, of −1/√D and 1/√D: the first bits of its message are its number."""
    assert isinstance(plan.strategy, FedUVPlan)
    clients = plan.split.clients
    size = plan.model.embedding_size
    code = widest_code(size, plan.strategy.message_bits)
    messages_CK = torch.randint(0, 2, (clients, code.message_bits), generator=generator(plan.seed, "codewords"))
    number_bits = (clients - 1).bit_length()
    places_k = torch.arange(number_bits - 1, -1, -1)
    messages_CK[:, :number_bits] = torch.arange(clients).unsqueeze(1) >> places_k & 1
    signs_CD = 2 * code.encode(messages_CK)[:, :size].float() - 1
    return signs_CD / math.sqrt(size)


FEDUV = replace(FEDFACE, loss=correlation_loss, finish=give_codewords)
