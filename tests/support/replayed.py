"""Computes the model of given accepted sets in one process, without the services."""

from __future__ import annotations

from collections.abc import Iterable

from fedface_core.domain.plan import Plan
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.round_kind import RoundKind
from fedface_learning.data import open_photographs
from fedface_learning.models import initial_network
from fedface_learning.simulation.federated_rounds import Federation
from fedface_learning.simulation.simulation_data import SimulationData
from support.in_process import InProcess


def accepted_sets(services: InProcess, run_id: str) -> list[tuple[int, tuple[str, ...]]]:
    """The number and the accepted set of each training round that finished, in order."""
    ledger = services.ports.ledger
    finished = [done for done in ledger.rounds(run_id) if done.phase is RoundPhase.FINISHED]
    trained = [done.number for done in finished if done.kind is RoundKind.TRAINING]
    return [(number, tuple(ledger.accepted(run_id, number))) for number in trained]


def replayed(plan: Plan, accepted: Iterable[tuple[int, tuple[str, ...]]]) -> str:
    """The SHA-256 of the model version after training rounds with these numbers and accepted sets."""
    network = initial_network(plan.model, plan.seed)
    federation = Federation(plan, network, SimulationData.of(plan, open_photographs(plan)))
    reduced = federation.enrol()
    for number, clients in accepted:
        reduced = federation.simulate_round(number, clients)
    return reduced.aggregation.model_sha256
