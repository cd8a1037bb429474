"""What a whole run of a plan costs about, before it is created: work, and bytes to and from clients.

`fedface_core.domain.budget` judges single tasks, with the time that a machine needs in any case; here the work of all rounds
is added up. C clients, D dimensions, K public identities, P parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fedface_core.domain.budget import (
    BACKWARD,
    equivalent_class_embeddings,
    images_of_a_client,
    images_of_an_identity,
    multiplications_of_a_step,
    multiplications_of_negatives,
    shared_photographs,
)
from fedface_core.domain.network_size import NetworkSize, network_size
from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.local_training import LocalTrainingPlan
from fedface_core.domain.plan.strategy import WITHOUT_SPREADOUT, PublicNegativesPlan
from fedface_core.domain.plan.update_encoding import TopKPlan

_BYTES: Final = 4  # of a number
_BYTES_OF_A_LABEL: Final = 8
_BYTES_OF_A_SUM: Final = 8  # of a number of the class sums
_BYTES_OF_A_MASKED: Final = 8  # of a number of a masked update
_BYTES_OF_ENCODED: Final = {"float32": 4, "float16": 2, "int8": 1, "top-k": 8}  # of a number that is uploaded
_WITH_OWN_ROW: Final = frozenset(
    {"fedaws", "public-negatives", "fedfv", "fedfr"}
)  # their clients upload a class embedding too
_MOST_ROUNDS_LOOKED_AT: Final = 1000


@dataclass(frozen=True)
class Cost:
    """Estimates, exact to the factor of two or so, if every round finishes and every invited client answers."""

    steps: int
    """Gradient steps of all clients."""
    multiplications: int
    """Of clients, aggregator and evaluator."""
    bytes_up: int
    """What clients upload."""
    bytes_down: int
    """What clients download, if each gets the model of its round once, and the anchor once in the run."""
    parameters: int
    """Of the network."""


def plan_cost(plan: Plan) -> Cost:
    """The cost of a run of ``plan``, enrolment and all rounds."""
    size = network_size(plan.model)
    clients = plan.split.clients
    invitations = plan.rounds * plan.cohort.invited(clients)
    row = _BYTES * plan.model.embedding_size
    model = _BYTES * size.parameters
    own_row = row if plan.strategy.name in _WITH_OWN_ROW else 0
    guidance = (plan.public_in_rounds + equivalent_class_embeddings(plan)) * row
    pixels = plan.model.channels * plan.model.height * plan.model.width
    guidance += shared_photographs(plan) * (pixels + _BYTES_OF_A_LABEL + row)
    given_row = row
    if plan.only_sums:  # a client uploads two class embeddings, keeps its own, and is given the sums
        own_row = 2 * row
        given_row = 0
        guidance += _BYTES_OF_A_SUM * (plan.model.embedding_size + 1) * plan.model.embedding_size
    anchors = min(clients, invitations) if plan.anchor else 0
    steps = plan.cohort.invited(clients) * _steps_of_a_client(plan.local_training, plan.rounds)
    return Cost(
        steps=steps,
        multiplications=_of_clients(plan, size, steps, invitations) + plan.rounds * _of_servers(plan, size),
        bytes_up=_uploaded(plan, size, invitations, own_row),
        bytes_down=(clients + anchors) * model + invitations * (model + given_row + guidance),
        parameters=size.parameters,
    )


def _steps_of_a_client(local: LocalTrainingPlan, rounds: int) -> int:
    """The gradient steps of a client that is invited to every round. Of very many rounds, some are looked at."""
    if local.final_steps is None:
        return rounds * local.steps
    looked_at = range(1, rounds + 1, -(-rounds // _MOST_ROUNDS_LOOKED_AT))
    return sum(local.steps_in(number, rounds) for number in looked_at) * rounds // len(looked_at)


def _uploaded(plan: Plan, size: NetworkSize, invitations: int, own_row: int) -> int:
    """The bytes of all updates, enrolments among them. In a masked one is its change of the class sums, number by number."""
    dimensions = plan.model.embedding_size
    if plan.secure_aggregation is not None:
        sums = _BYTES_OF_A_SUM * (dimensions + 3) * dimensions // 2
        return plan.split.clients * sums + invitations * (_BYTES_OF_A_MASKED * size.parameters + sums)
    return plan.split.clients * _BYTES * dimensions + invitations * (_update_bytes(plan, size) + own_row)


def _update_bytes(plan: Plan, size: NetworkSize) -> int:
    encoding = plan.update_encoding
    share = encoding.share if isinstance(encoding, TopKPlan) else 1.0
    return int(share * size.parameters * _BYTES_OF_ENCODED[encoding.name])


def _of_clients(plan: Plan, size: NetworkSize, steps: int, invitations: int) -> int:
    local = plan.local_training
    images = images_of_a_client(plan.data)
    measured = 2 * images * size.multiplications if local.losses == "measured" else 0
    enrolment = plan.split.clients * images * size.multiplications
    return enrolment + steps * multiplications_of_a_step(plan, size) + invitations * measured


def _of_servers(plan: Plan, size: NetworkSize) -> int:
    """Of a round: spreadout, steps on the public photographs, and the evaluation."""
    clients = plan.split.clients
    dimensions = plan.model.embedding_size
    each = images_of_an_identity(plan.data)
    scored = plan.split.test * each
    work = scored * size.multiplications + scored**2 * dimensions // 2
    if plan.strategy.name not in WITHOUT_SPREADOUT:
        work += (2 * plan.spreadout.steps + 1) * clients**2 * dimensions
    if isinstance(plan.strategy, PublicNegativesPlan):
        own = plan.strategy.public_steps
        images = plan.public_in_rounds * each
        if plan.strategy.public_batch is not None:
            images = min(plan.strategy.public_batch, images)
        negatives = multiplications_of_negatives(plan) + (0 if plan.only_sums else clients * dimensions)
        step = BACKWARD * images * (size.multiplications + negatives)
        work += (plan.local_training.steps if own is None else own) * step
    return work
