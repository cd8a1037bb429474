"""What is simulated: as it is built, on more and more workers; then what moves the walls, one change after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from loadtest.scale.deployment import Deployment, Workload
from loadtest.scale.service_times import ServiceTimes
from loadtest.scale.simulated_round import SimulatedRound, simulate_round

_TRAINING_MS: Final = 26.5  # on an Intel Xeon, as the calls
_UPDATE_MEGABYTES: Final = 1.18  # both of the reference network, of 294,128 parameters
_WORKERS: Final = (1, 10, 100)
_WORKERS_TO_AN_AGGREGATOR: Final = 10
_LADDER_WORKERS: Final = 100
_SMALL_SHARD: Final = 32  # what a small cohort has
_MANY_RUNS: Final = 8


@dataclass(frozen=True)
class Scenario:
    """A round that is simulated."""

    label: str
    workload: Workload
    deployment: Deployment


@dataclass(frozen=True)
class Outcome:
    """A scenario, and its simulated round."""

    scenario: Scenario
    result: SimulatedRound

    @property
    def clients_per_second(self) -> float:
        """Of all runs, over the whole round."""
        workload = self.scenario.workload
        return workload.clients * workload.runs / self.result.opened_next_at


def growth(sizes: tuple[int, ...]) -> list[Scenario]:
    """FedFace as it is built: each number of clients on 1, 10 and 100 workers."""
    return [
        Scenario(f"workers: {workers}", reference(clients), deployment(workers)) for clients in sizes for workers in _WORKERS
    ]


def ladder(clients: int) -> list[Scenario]:
    """What moves the walls of a round on a hundred workers. A row that begins with *and* has the changes of those above."""
    fedface = reference(clients)
    one_step = fedface.model_copy(update={"spreadout_steps": 1})
    combined = one_step.model_copy(update={"delivery": "combined"})
    gaussian = fedface.model_copy(update={"has_rows": False})
    small_shards = gaussian.model_copy(update={"shard_size": _SMALL_SHARD})
    few = deployment(_LADDER_WORKERS)
    large_store = few.model_copy(update={"store_cores": 80})
    many = large_store.model_copy(update={"aggregators": 40})
    return [
        Scenario("FedFace", fedface, few),
        Scenario("and one spreadout step", one_step, few),
        Scenario("and combined delivery", combined, few),
        Scenario("and 10 put rows (not built)", combined, few.model_copy(update={"row_putters": 10})),
        Scenario("gaussian-negatives", gaussian, few),
        Scenario("and S3 of 80 cores", gaussian, large_store),
        Scenario("and 40 aggregators", gaussian, many),
        Scenario("or that in shards of 32", small_shards, many),
        Scenario("or with a tree (not built)", small_shards, many.model_copy(update={"fan_in": 32})),
        Scenario(
            "and 1,000 workers, S3 of 800",
            gaussian,
            many.model_copy(update={"client_workers": 1000, "store_cores": 800}),
        ),
    ]


def many_runs(clients: int) -> list[Scenario]:
    """So many clients as those of some runs at once, on one Redis and on several, with workers enough."""
    changes = {"has_rows": False, "runs": _MANY_RUNS}
    workload = reference(max(1, clients // _MANY_RUNS)).model_copy(update=changes)
    fleet = Deployment(client_workers=1000, aggregators=80, store_cores=640)
    return [
        Scenario(f"{_MANY_RUNS} runs, one Redis", workload, fleet),
        Scenario(f"{_MANY_RUNS} runs, {_MANY_RUNS} Redis", workload, fleet.model_copy(update={"redis_nodes": _MANY_RUNS})),
    ]


def reference(clients: int) -> Workload:
    """The reference workload with so many clients."""
    return Workload(clients=clients, training_ms=_TRAINING_MS, update_megabytes=_UPDATE_MEGABYTES)


def deployment(workers: int) -> Deployment:
    """So many client workers, an aggregator for each ten, one Redis and one S3 server."""
    return Deployment(client_workers=workers, aggregators=max(1, workers // _WORKERS_TO_AN_AGGREGATOR))


def simulated(scenario: Scenario, times: ServiceTimes) -> Outcome:
    """Simulate a scenario."""
    return Outcome(scenario, simulate_round(scenario.workload, scenario.deployment, times))
