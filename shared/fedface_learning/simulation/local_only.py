"""The lower bound: clients that share nothing. Each client trains its own model from the initial network; none is averaged.

Only a simulation computes it: the services see clients' models in averages only, and so cannot score one. Clients train as
in FedAvg, with FedFace's loss against their class embeddings, which stay as at enrolment.
"""

from __future__ import annotations

from itertools import islice

import torch

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.strategy import LocalOnlyPlan
from fedface_core.domain.round_kind import ENROLMENT_ROUND
from fedface_core.domain.update import AcceptedUpdate
from fedface_learning.aggregation.reduced_round import reduced_round
from fedface_learning.client.local_training import Trainee, TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.client.update import training_update
from fedface_learning.device import copy_back
from fedface_learning.evaluation.verification import Verification, mean_verification
from fedface_learning.formats.class_embeddings import decode_class_embeddings
from fedface_learning.formats.codec import encode_tensors
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.models.weights import network_tensors
from fedface_learning.objectives.spreadout import spreadout_stats
from fedface_learning.simulation.as_fedavg import as_fedavg, enrol_as_fedavg
from fedface_learning.simulation.simulation_data import Rounds, SimulationData
from fedface_learning.strategies.strategy import ServerResult
from fedface_learning.updates.norm import update_norm


def local_rounds(plan: Plan, network: EmbeddingNetwork, data: SimulationData) -> Rounds:
    """Enrolment, then ``plan.rounds`` rounds, in which each of the first clients trains its own model further.

    The plan says how many clients train. A round's verification is the mean over their models. A round's model version holds
    all of their models; tensors are named ``client/name``.
    """
    assert isinstance(plan.strategy, LocalOnlyPlan)
    enrolled = enrol_as_fedavg(plan, network, data)
    yield enrolled, data.score(ENROLMENT_ROUND, network)
    class_embeddings_CD = decode_class_embeddings(enrolled.class_embeddings, plan.model.embedding_size)
    stats = spreadout_stats(class_embeddings_CD.double(), plan.spreadout)
    start = {name: tensor.clone() for name, tensor in network_tensors(network).items()}
    trainer = LocalTrainer(network, torch.device(plan.compute.device))
    fedavg = as_fedavg(plan)
    models = dict.fromkeys(islice(data.images, plan.strategy.scored_clients), start)
    for number in range(1, plan.rounds + 1):
        verifications: list[Verification] = []
        updates: list[AcceptedUpdate] = []
        norms: list[float] = []
        for index, (client, model) in enumerate(models.items()):
            trainer.start_from(model, "the client's own model")
            trainee = Trainee(client, data.images[client], class_embeddings_CD[index])
            update = training_update(trainer, trainee, TrainingRound(fedavg, number))
            updates.append(update.accepted)
            trained = network_tensors(trainer.network)  # on a GPU not that of `network`
            models[client] = {name: tensor.clone() for name, tensor in trained.items()}
            norms.append(update_norm(models[client], model))
            if (verification := data.score(number, trainer.network)) is not None:
                verifications.append(verification)
        copy_back(trainer.network, network)
        images = sum(update.declared_images for update in updates)
        named = {f"{client}/{name}": tensor for client, model in models.items() for name, tensor in model.items()}
        reduced = reduced_round(
            [encode_tensors(named)],
            ServerResult(class_embeddings_CD, stats),
            folded=len(updates),
            images=images,
            refused={},
            update_norm=sum(norms) / len(norms),
            loss_before=sum(update.declared_images * (update.loss_before or 0.0) for update in updates) / images,
            loss_after=sum(update.declared_images * (update.loss_after or 0.0) for update in updates) / images,
        )
        yield reduced, mean_verification(verifications) if verifications else None
