"""The upper bound: training on the pooled photographs of all clients and public identities, with CosFace.

Only a simulation computes it; the services never pool photographs. It trains as `fedface_learning.pretraining` does, from
the plan's initial network. Its steps are divided equally into rounds, so that it is scored as often as a federated run. With
centring, the centre stays as at enrolment.
"""

from __future__ import annotations

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.strategy import CentralisedPlan
from fedface_core.domain.round_kind import ENROLMENT_ROUND
from fedface_learning.aggregation.reduced_round import reduced_round
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.models.weights import encode_network, network_tensors
from fedface_learning.objectives.spreadout import spreadout_stats
from fedface_learning.pretraining import CosFaceTraining, PretrainPlan
from fedface_learning.simulation.as_fedavg import enrol_as_fedavg
from fedface_learning.simulation.simulation_data import Rounds, SimulationData
from fedface_learning.strategies.strategy import ServerResult
from fedface_learning.updates.norm import update_norm


def centralised_rounds(plan: Plan, network: EmbeddingNetwork, data: SimulationData) -> Rounds:
    """Enrolment as in FedAvg, then ``plan.rounds`` rounds, each an equal part of the pooled training.

    W is the clients' rows of the classification head. The loss after a round is the mean CosFace loss of its steps; the loss
    before it is that of the previous round.
    """
    assert isinstance(plan.strategy, CentralisedPlan)
    yield enrol_as_fedavg(plan, network, data), data.score(ENROLMENT_ROUND, network)
    pooled = PretrainPlan.model_validate(plan.strategy.model_dump(exclude={"name"}) | {"seed": plan.seed})
    training = CosFaceTraining(network, data.dataset, [*data.split.clients, *data.split.public], pooled)
    loss = None
    for number in range(1, plan.rounds + 1):
        old = {name: tensor.clone() for name, tensor in network_tensors(network).items()}
        loss_before = loss
        losses = []
        while training.step < training.steps * number // plan.rounds:
            losses.append(training.take_step().loss)
        loss = sum(losses) / len(losses) if losses else loss_before
        class_embeddings_CD = training.class_embeddings()[: plan.split.clients]
        stats = spreadout_stats(class_embeddings_CD.double(), plan.spreadout)
        reduced = reduced_round(
            encode_network(network),
            ServerResult(class_embeddings_CD, stats),
            folded=plan.split.clients,
            images=training.images,
            refused={},
            update_norm=update_norm(network_tensors(network), old),
            loss_before=loss_before,
            loss_after=loss,
        )
        yield reduced, data.score(number, network)
