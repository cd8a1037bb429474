"""The bound of what clients are not needed for: training on the photographs of the public identities alone, with CosFace.

What a federated strategy gains beyond it, it has from its clients. Only a simulation computes it. It makes as many steps, of
equal batches, as `centralised` with equal settings, which has the clients' photographs too.
"""

from __future__ import annotations

from fedface_core.domain.plan import Plan
from fedface_core.domain.round_kind import ENROLMENT_ROUND
from fedface_learning.formats.class_embeddings import decode_class_embeddings
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.pretraining import CosFaceTraining, steps_of_an_epoch
from fedface_learning.simulation.as_fedavg import enrol_as_fedavg
from fedface_learning.simulation.pooled_rounds import cosface_settings, pooled_rounds
from fedface_learning.simulation.simulation_data import Rounds, SimulationData
from fedface_learning.training_images import read_all_images


def public_only_rounds(plan: Plan, network: EmbeddingNetwork, data: SimulationData) -> Rounds:
    """Enrolment as in FedAvg, then ``plan.rounds`` rounds, each an equal part of the training. W stays as at enrolment."""
    enrolled = enrol_as_fedavg(plan, network, data)
    yield enrolled, data.score(ENROLMENT_ROUND, network)
    settings = cosface_settings(plan)
    pooled = [*data.split.clients, *data.split.public]
    images = sum(len(data.shared_pool.images(identity)) for identity in pooled)
    steps = settings.epochs * steps_of_an_epoch(images, settings)
    public = read_all_images(data.dataset, data.split.public)
    training = CosFaceTraining(network, public, settings, steps=steps)
    class_embeddings_CD = decode_class_embeddings(enrolled.class_embeddings, plan.model.embedding_size)
    yield from pooled_rounds(plan, network, data, training, lambda: class_embeddings_CD, clients=0)
