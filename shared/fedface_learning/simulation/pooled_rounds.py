"""The rounds of a bound that trains with CosFace on photographs in one place.

It trains as `fedface_learning.pretraining` does, from the plan's initial network. Its steps are divided equally into rounds,
so that it is scored as often as a federated run. With centring, the centre stays as at enrolment.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.cosface import CosFacePlan
from fedface_learning.aggregation.reduced_round import reduced_round
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.models.weights import encode_network, network_tensors
from fedface_learning.objectives.spreadout import spreadout_stats
from fedface_learning.pretraining import CosFaceTraining, PretrainPlan
from fedface_learning.simulation.simulation_data import Rounds, SimulationData
from fedface_learning.strategies.strategy import ServerResult
from fedface_learning.updates.norm import update_norm


def cosface_settings(plan: Plan) -> PretrainPlan:
    """The training's settings: those of the plan's strategy, which is one with CosFace, and the plan's seed and device."""
    assert isinstance(plan.strategy, CosFacePlan)
    own = {"seed": plan.seed, "device": plan.compute.device, "precision": plan.compute.precision}
    return PretrainPlan.model_validate(plan.strategy.model_dump(exclude={"name", "with_public"}) | own)


def pooled_rounds(
    plan: Plan,
    network: EmbeddingNetwork,
    data: SimulationData,
    training: CosFaceTraining,
    class_embeddings: Callable[[], Tensor],
    clients: int,
) -> Rounds:
    """The ``plan.rounds`` rounds after enrolment, each an equal part of the ``training``, which trains ``network``.

    ``class_embeddings`` gives W (C, D) after a round, and ``clients`` is how many clients' photographs are trained on. The
    loss after a round is the mean CosFace loss of its steps; the loss before it is that of the previous round.
    """
    loss = None
    for number in range(1, plan.rounds + 1):
        old = {name: tensor.clone() for name, tensor in network_tensors(network).items()}
        loss_before = loss
        steps = []
        while training.step < training.steps * number // plan.rounds:
            steps.append(training.take_step())
        losses = [step.figures()[0] for step in steps]
        loss = sum(losses) / len(losses) if losses else loss_before
        class_embeddings_CD = class_embeddings()
        stats = spreadout_stats(class_embeddings_CD.double(), plan.spreadout)
        reduced = reduced_round(
            [encode_network(network)],
            ServerResult(class_embeddings_CD, stats),
            folded=clients,
            images=training.images,
            refused={},
            update_norm=update_norm(network_tensors(network), old),
            loss_before=loss_before,
            loss_after=loss,
        )
        yield reduced, data.score(number, network)
