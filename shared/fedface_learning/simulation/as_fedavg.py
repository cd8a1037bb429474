"""What the two bounds share with federated averaging: enrolment, and the steps of a client that trains alone.

A bound's own rounds are no federated ones, so that it is no strategy: it does not say what a client minimises, nor what an
aggregator makes of updates. Where a bound needs either, it takes FedAvg's.
"""

from __future__ import annotations

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.merge_patch import apply_merge_patch
from fedface_learning.aggregation.reduced_round import ReducedRound
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.simulation.federated_rounds import Federation
from fedface_learning.simulation.simulation_data import SimulationData


def as_fedavg(plan: Plan) -> Plan:
    """The plan of a bound with FedAvg for its strategy, and all else as it is."""
    return apply_merge_patch(plan, {"strategy": "fedavg"})


def enrol_as_fedavg(plan: Plan, network: EmbeddingNetwork, data: SimulationData) -> ReducedRound:
    """The enrolment of every client, so that round 0 of a bound is that of FedAvg, and its scores are every strategy's."""
    return Federation(as_fedavg(plan), network, data).enrol()
