"""Whole runs in one process: the federated ones, which the services compute alike, and the two bounds, which they do not.

A federated run calls the services' functions in their order, so its model is theirs to the bit, wherever the same updates
were accepted. Here that is always the whole cohort: a quorum below the cohort's size depends on who is faster, and nobody
is in one process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import Plan
from fedface_core.domain.results import Aggregation
from fedface_learning.data import FaceDataset, open_photographs
from fedface_learning.evaluation.verification import Verification
from fedface_learning.formats.codec import sha256_hex
from fedface_learning.models import EmbeddingNetwork, initial_network
from fedface_learning.simulation.centralised import centralised_rounds
from fedface_learning.simulation.federated_rounds import federated_rounds
from fedface_learning.simulation.local_only import local_rounds
from fedface_learning.simulation.simulation_data import Rounds, SimulationData

RoundsOf = Callable[[Plan, EmbeddingNetwork, SimulationData], Rounds]

BOUNDS: dict[str, RoundsOf] = {"centralised": centralised_rounds, "local-only": local_rounds}
"""The bounds of a simulation, by the name that a plan gives for its strategy. Any other name is that of a strategy."""


@dataclass(frozen=True)
class SimulatedRound:
    """What one round came to; round 0 is enrolment, whose verification is that of the pre-trained network.

    ``verification`` is none where the round was not to be evaluated.
    """

    number: int
    aggregation: Aggregation
    verification: Verification | None


@dataclass(frozen=True)
class SimulationResult:
    """The last model version, and every round."""

    model: bytes
    rounds: tuple[SimulatedRound, ...]

    @property
    def model_sha256(self) -> str:
        """The name of the last model version."""
        return sha256_hex(self.model)


def simulate(
    plan: Plan,
    on_round: Callable[[SimulatedRound], None] | None = None,
    *,
    initial: EmbeddingNetwork | None = None,
    dataset: FaceDataset | None = None,
    evaluate_at: Callable[[int], bool] = lambda _number: True,
) -> SimulationResult:
    """Run a plan. ``on_round`` is told of each round as it ends.

    ``initial`` stands in for the network that the plan starts from, and must where the plan names a stored model by its
    SHA-256. It is changed in place, and is the round's model when ``on_round`` is told. ``dataset`` stands in for the plan's
    own. ``evaluate_at`` says by its number whether a round is evaluated; every one is by default.
    """
    if plan.aggregation.mode == "asynchronous":
        raise InvalidInputError("one process trains one client at a time, and has nothing asynchronous to simulate")
    network = initial or initial_network(plan.model, plan.seed)
    data = SimulationData.of(plan, dataset or open_photographs(plan), evaluate_at)
    rounds_of = BOUNDS.get(plan.strategy.name, federated_rounds)
    rounds: list[SimulatedRound] = []
    for reduced, verification in rounds_of(plan, network, data):
        rounds.append(SimulatedRound(len(rounds), reduced.aggregation, verification))
        if on_round:
            on_round(rounds[-1])
    return SimulationResult(reduced.model, tuple(rounds))
