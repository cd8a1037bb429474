"""What the bounds take from federated averaging: enrolment, and the local training of a client.

A bound has no federated rounds, so it is no strategy: it defines neither a client's loss nor what an aggregator makes of
updates. If a bound needs one of these, it uses FedAvg's.
"""

from __future__ import annotations

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.merge_patch import apply_merge_patch
from fedface_learning.aggregation.reduced_round import ReducedRound
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.simulation.federated_rounds import Federation
from fedface_learning.simulation.simulation_data import SimulationData


def as_fedavg(plan: Plan) -> Plan:
    """The plan with FedAvg as its strategy, and otherwise unchanged."""
    return apply_merge_patch(plan, {"strategy": "fedavg"})


def enrol_as_fedavg(plan: Plan, network: EmbeddingNetwork, data: SimulationData) -> ReducedRound:
    """Enrol every client as FedAvg does, so that round 0 of a bound has the scores of every strategy's round 0."""
    return Federation(as_fedavg(plan), network, data).enrol()
