"""The rounds that are measured are whole rounds of all services, and their share is one of their own time."""

from __future__ import annotations

from fedface_core.adapters.memory import MemoryArtifacts, MemoryLedger, RecordingPublisher
from fedface_core.adapters.system_clock import SystemClock
from fedface_core.contracts import object_keys
from fedface_core.domain.run import RunPhase
from fedface_core.ports import Ports
from fedface_learning.seeding import use_deterministic_torch
from fedface_learning.simulation.simulate import simulate
from loadtest.bench.signature_cost import ROUNDS, measure_shares, plans
from support.small_networks import small_plan


def test_a_measured_run_is_a_run_of_the_services() -> None:
    use_deterministic_torch(1)
    ports = Ports(MemoryLedger(), MemoryArtifacts(), RecordingPublisher(), SystemClock())
    local = {"steps": 1, "learning_rate": 0.01}
    plan = small_plan(
        data={"dataset": "synthetic", "images_per_identity": 2},
        local_training=local,
        rounds=ROUNDS,
        split={"clients": 3, "test": 2},
    )
    shares = measure_shares(ports, plan, 2)
    runs = ports.ledger.runs()
    assert {(run.phase, run.model_sha256) for run in runs} == {(RunPhase.COMPLETED, simulate(plan).model_sha256)}
    assert len(shares.percent.values) == len(runs) == 2
    assert all(0 < percent < 100 for percent in shares.percent.values)
    assert shares.milliseconds_of_a_client.median > 0
    updates = ports.artifacts.keys(object_keys.run_folder(runs[0].id))
    assert updates, "the store is that of the caller"


def test_the_plans_train_the_reference_network_not_at_all_and_a_larger_one() -> None:
    reference, idle, larger = plans(50).values()
    assert (reference.local_training.steps, idle.local_training.steps) == (5, 0)
    assert (reference.split.clients, larger.split.clients) == (50, 5)
    assert larger.model.architecture == "mobilefacenet"
    assert {plan.rounds for plan in (reference, idle, larger)} == {ROUNDS}
