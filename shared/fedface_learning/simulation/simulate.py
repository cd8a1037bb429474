"""Simulation: whole runs in one process. Federated runs equal those of the services; the bounds exist only here.

A federated run calls the functions that the services call, in equal order, so its model equals theirs to the bit if the
services accept the updates of the whole cohort. With a quorum below the cohort's size, the services accept the fastest
clients; in one process no client is faster, and the whole cohort takes part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import Plan
from fedface_core.domain.results import Aggregation
from fedface_learning.data import FaceDataset, ScoredPart, open_photographs
from fedface_learning.device import prepare_device
from fedface_learning.evaluation.verification import Verification
from fedface_learning.formats.codec import sha256_hex
from fedface_learning.models import EmbeddingNetwork, initial_network
from fedface_learning.simulation.centralised import centralised_rounds
from fedface_learning.simulation.chained import chained_rounds
from fedface_learning.simulation.federated_rounds import federated_rounds
from fedface_learning.simulation.fused_rounds import require_fusable
from fedface_learning.simulation.local_only import local_rounds
from fedface_learning.simulation.public_only import public_only_rounds
from fedface_learning.simulation.simulation_data import Rounds, SimulationData

RoundsOf = Callable[[Plan, EmbeddingNetwork, SimulationData], Rounds]
"""Simulates the rounds of a plan from the initial network, which it changes in place."""

BOUNDS: dict[str, RoundsOf] = {
    "centralised": centralised_rounds,
    "public-only": public_only_rounds,
    "local-only": local_rounds,
    "chained": chained_rounds,
}
"""The name that a plan gives for its strategy → the simulation of that bound. All other names are those of strategies."""


@dataclass(frozen=True)
class SimulatedRound:
    """The result of one simulated round."""

    number: int
    """The number of the round. Round 0 is enrolment; its verification is that of the pre-trained network."""
    aggregation: Aggregation
    verification: Verification | None
    """None if the round was not evaluated."""


@dataclass(frozen=True)
class SimulationResult:
    """The result of a simulated run."""

    model: bytes
    """The last model version, as an object."""
    rounds: tuple[SimulatedRound, ...]

    @property
    def model_sha256(self) -> str:
        """The SHA-256 of the last model version."""
        return sha256_hex(self.model)


def simulate(
    plan: Plan,
    on_round: Callable[[SimulatedRound], None] | None = None,
    *,
    initial: EmbeddingNetwork | None = None,
    dataset: FaceDataset | None = None,
    evaluate_at: Callable[[int], bool] = lambda _number: True,
    scored_part: ScoredPart = "test",
    fused: bool = False,
) -> SimulationResult:
    """Simulate a run. ``on_round`` is called with each round when it ends.

    ``initial`` replaces the network that the plan starts from. It must be given if the plan names a stored model by its
    SHA-256. It is changed in place, and holds the round's model when ``on_round`` is called. ``dataset`` replaces the plan's
    data set. ``evaluate_at`` says by its number whether a round is evaluated; by default every round is.
    ``scored_part`` is the part of the split on whose identities. If rounds are ``fused``, each is computed as one batch,
    which rounds differently (`fused_rounds.py`). `InvalidInputError` if the plan's aggregation is asynchronous, if its
    rounds are to be fused and cannot be, if there are no such people to score on, or if this machine lacks the plan's
    device.
    """
    if plan.aggregation.mode == "asynchronous":
        raise InvalidInputError("one process trains one client at a time, and has nothing asynchronous to simulate")
    if scored_part == "validation" and not plan.split.validation:
        raise InvalidInputError("the plan has no validation people to score on: give split.validation")
    if fused:
        require_fusable(plan)
    prepare_device(plan.compute)
    network = initial or initial_network(plan.model, plan.seed)
    data = SimulationData.of(plan, dataset or open_photographs(plan), evaluate_at, scored_part)
    rounds_of = BOUNDS.get(plan.strategy.name, partial(federated_rounds, fused=fused))
    rounds: list[SimulatedRound] = []
    for reduced, verification in rounds_of(plan, network, data):
        rounds.append(SimulatedRound(len(rounds), reduced.aggregation, verification))
        if on_round:
            on_round(rounds[-1])
    return SimulationResult(b"".join(reduced.model), tuple(rounds))
