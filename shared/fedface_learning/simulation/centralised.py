"""The upper bound: what one who may pool everybody's photographs gets. CosFace on clients and public identities alike.

In one process only; the services never pool photographs. It trains as `fedface_learning.pretraining` does, from the
plan's initial network. A round is an equal part of its steps, so that it is scored as often as a federated run. With
centring, the centre stays the one of enrolment.
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
    """Enrolment, which is FedAvg's; then ``plan.rounds`` parts of the training.

    W is what the head has learnt of the clients. Losses are CosFace's: a part's mean, and that of the part before.
    """
    assert isinstance(plan.strategy, CentralisedPlan)
    yield enrol_as_fedavg(plan, network, data), data.score(ENROLMENT_ROUND, network)
    how = PretrainPlan.model_validate(plan.strategy.model_dump(exclude={"name"}) | {"seed": plan.seed})
    training = CosFaceTraining(network, data.dataset, [*data.split.clients, *data.split.public], how)
    loss = None
    for number in range(1, plan.rounds + 1):
        old = {name: tensor.clone() for name, tensor in network_tensors(network).items()}
        loss_before, losses = loss, []
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
