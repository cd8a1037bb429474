"""FedFace as the paper's public code runs it, to show what that differs from FedFace by.

In that code (`illidanlab/fedface` on GitHub), the line that puts a client's network back to the global model
is commented out. So each client of a round goes on from the network in which the client before it has trained, with the
momentum that this left. The models of all clients are averaged. Spreadout's result is never used, so class embeddings stay
as at enrolment.

Only a simulation computes it: clients that wait for each other are not federated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from fedface_core.domain.cohort import Participation, draw_cohort
from fedface_core.domain.ids import client_index
from fedface_core.domain.plan import Plan
from fedface_core.domain.round_kind import ENROLMENT_ROUND
from fedface_learning.aggregation.average_in_place import average_in_place
from fedface_learning.aggregation.exact_sum import ExactSum
from fedface_learning.aggregation.reduced_round import ReducedRound, reduced_round
from fedface_learning.client.batches import batches
from fedface_learning.client.local_training import TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.formats.class_embeddings import decode_class_embeddings
from fedface_learning.gradient_descent import GradientDescent, ParameterGroup
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.models.weights import encode_network, network_tensors
from fedface_learning.objectives.spreadout import spreadout_stats
from fedface_learning.simulation.as_fedavg import as_fedavg, enrol_as_fedavg
from fedface_learning.simulation.simulation_data import Rounds, SimulationData
from fedface_learning.strategies.fedface import hinge
from fedface_learning.strategies.strategy import ServerResult, ServerRound


def chained_rounds(plan: Plan, network: EmbeddingNetwork, data: SimulationData) -> Rounds:
    """Enrolment as in FedAvg, then ``plan.rounds`` rounds, in which the clients of a cohort train one after the other."""
    enrolled = enrol_as_fedavg(plan, network, data)
    yield enrolled, data.score(ENROLMENT_ROUND, network)
    class_embeddings_CD = decode_class_embeddings(enrolled.class_embeddings, plan.model.embedding_size)
    result = ServerResult(class_embeddings_CD, spreadout_stats(class_embeddings_CD.double(), plan.spreadout))
    participations = Counter[str]()
    for number in range(1, plan.rounds + 1):
        history = {client: Participation(invited=count, accepted=count) for client, count in participations.items()}
        cohort = draw_cohort(plan, number, tuple(data.images), history)
        participations.update(cohort)
        yield _round(TrainingRound(as_fedavg(plan), number), network, data, cohort, result), data.score(number, network)


def _round(
    training: TrainingRound, network: EmbeddingNetwork, data: SimulationData, cohort: Sequence[str], result: ServerResult
) -> ReducedRound:
    """One round, which leaves the average in ``network``. Its losses are those of the clients' first and last steps."""
    local = training.plan.local_training
    start = {name: tensor.clone() for name, tensor in network_tensors(network).items()}
    share, _ = training.plan.rate_shares(training.number)
    optimiser = GradientDescent(
        [ParameterGroup([*network.parameters()], local.learning_rate * share)], local.momentum, fused=False
    )
    changes = ExactSum()
    images = 0
    losses = [0.0, 0.0]
    for client in cohort:
        steps = torch.stack(list(_steps(training, network, data, client, result, optimiser))).tolist()
        own_images = len(data.images[client])
        changes.add(network_tensors(network), start, own_images, training.plan.fraction_bits)
        images += own_images
        losses = [total + own_images * loss for total, loss in zip(losses, (steps[0], steps[-1]), strict=True)]
    assert result.class_embeddings_CD is not None, "there is a W"
    server_round = ServerRound(
        plan=training.plan,
        number=training.number,
        network=network,
        class_embeddings_CD=result.class_embeddings_CD,
        uploaded={},
        state={},
        photographs=lambda: data.dataset,
    )
    _, norm = average_in_place(server_round, start, changes, images)
    network.eval()
    return reduced_round(
        [encode_network(network)],
        result,
        folded=len(cohort),
        images=images,
        refused={},
        update_norm=norm,
        loss_before=losses[0] / images,
        loss_after=losses[1] / images,
    )


def _steps(
    training: TrainingRound,
    network: EmbeddingNetwork,
    data: SimulationData,
    client: str,
    result: ServerResult,
    optimiser: GradientDescent,
) -> Iterator[Tensor]:
    """Let a client take its steps from wherever the network is, and give the loss, a scalar, before each."""
    assert result.class_embeddings_CD is not None, "there is a W"
    own_D = result.class_embeddings_CD[client_index(client)]
    client_round = LocalTrainer(network).client_round(training, own_D, own_D)
    network.train(network.has_batch_norm)
    images_NCHW = data.images[client]
    for batch_NCHW in batches(images_NCHW, training.plan.local_training, training.steps, training.seed_of(client)):
        optimiser.zero_grad()
        loss = hinge(client_round, network.features(batch_NCHW))
        torch.autograd.backward(loss)
        optimiser.step()
        yield loss.detach()
    optimiser.zero_grad()
