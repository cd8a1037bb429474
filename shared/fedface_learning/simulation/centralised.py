"""The upper bound: training on the pooled photographs of all clients, and of public identities if wanted, with CosFace.

Only a simulation computes it; the services never pool photographs.
"""

from __future__ import annotations

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.strategy import CentralisedPlan
from fedface_core.domain.round_kind import ENROLMENT_ROUND
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.pretraining import CosFaceTraining
from fedface_learning.simulation.as_fedavg import enrol_as_fedavg
from fedface_learning.simulation.pooled_rounds import cosface_settings, pooled_rounds
from fedface_learning.simulation.simulation_data import Rounds, SimulationData
from fedface_learning.training_images import read_all_images


def centralised_rounds(plan: Plan, network: EmbeddingNetwork, data: SimulationData) -> Rounds:
    """Enrolment as in FedAvg, then ``plan.rounds`` rounds, each an equal part of the pooled training.

    W is the clients' rows of the classification head.
    """
    yield enrol_as_fedavg(plan, network, data), data.score(ENROLMENT_ROUND, network)
    assert isinstance(plan.strategy, CentralisedPlan)
    people = [*data.split.clients, *(data.split.public if plan.strategy.with_public else ())]
    training = CosFaceTraining(network, read_all_images(data.shared_pool, people), cosface_settings(plan))
    clients = plan.split.clients
    yield from pooled_rounds(plan, network, data, training, lambda: training.class_embeddings()[:clients], clients)
