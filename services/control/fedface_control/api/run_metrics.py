"""Gauges that describe runs. They are read from the ledger at each scrape, so they are right after a restart of control too.

The gauges of the verification scores (TAR, AUC, EER) are the evaluator's: `fedface_evaluator.verification_metrics`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from fedface_control.api.routes.health import check_dependency, dependencies
from fedface_core.contracts.tasks import QUEUES
from fedface_core.domain.errors import NotFoundError, UnavailableError
from fedface_core.domain.round import RoundPhase, RoundState
from fedface_core.domain.round_phase import WAITS_FOR_CLIENTS
from fedface_core.domain.run import Run, RunPhase
from fedface_core.ports import Ports
from fedface_core.runtime.metrics import NEWEST_RUNS, Dependency
from fedface_core.runtime.prompt_answers import PROMPT_SECONDS, PromptAnswers
from fedface_core.runtime.readable_rounds import readable_rounds


class RunMetrics(Collector):
    """Collects the state of dependencies and queues, counts of runs and rounds by phase, and gauges of the newest runs.

    A dependency that has not answered after ``seconds`` is down.
    """

    def __init__(self, ports: Ports, seconds: float = PROMPT_SECONDS) -> None:
        self._ports = ports
        self._checks = {
            name: PromptAnswers(partial(check_dependency, ping), seconds) for name, ping in dependencies(ports).items()
        }

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """All gauges as of now. If the ledger does not answer, only the state of the dependencies."""
        for check in self._checks.values():
            check.begin()
        checks = {name: check.ask() or "does not answer in time" for name, check in self._checks.items()}
        families: list[GaugeMetricFamily] = []
        if checks[Dependency.LEDGER] == "ok":
            try:
                families = list(self._from_ledger())
            except UnavailableError as error:
                checks[Dependency.LEDGER] = str(error)  # the ledger went away after it was checked
        up = GaugeMetricFamily("fedface_dependency_up", "1 if the dependency answers.", labels=["dependency"])
        for name, answer in checks.items():
            up.add_metric([name], float(answer == "ok"))
        yield up
        yield from families

    def describe(self) -> list[GaugeMetricFamily]:
        """No gauges at registration, so that the ledger is not read before the first scrape."""
        return []

    def _from_ledger(self) -> Iterator[GaugeMetricFamily]:
        yield self._queue_depths()
        yield self._workers()
        yield _by_phase("fedface_runs", "Runs by phase.", Counter(self._ports.ledger.run_phases()), RunPhase)
        yield from self._newest_runs(self._ports.ledger.runs(NEWEST_RUNS))

    def _queue_depths(self) -> GaugeMetricFamily:
        depth = GaugeMetricFamily("fedface_queue_depth", "Messages that wait.", labels=["queue"])
        for queue in QUEUES:
            depth.add_metric([queue], self._ports.publisher.queue_depth(queue))
        return depth

    def _workers(self) -> GaugeMetricFamily:
        workers = GaugeMetricFamily("fedface_workers", "Workers that take from a queue.", labels=["queue"])
        for queue in QUEUES:
            workers.add_metric([queue], len(self._ports.publisher.workers(queue)))
        return workers

    def _newest_runs(self, runs: Sequence[Run]) -> Iterator[GaugeMetricFamily]:
        ledger = self._ports.ledger
        now = self._ports.clock.now()
        gauges = _RunGauges()
        phases: Counter[RoundPhase] = Counter()
        for run in runs:
            gauges.set("fedface_run_rounds_planned", run, run.plan.rounds)
            gauges.set("fedface_run_rounds_finished", run, run.finished_rounds)
            gauges.set("fedface_run_phase", run, 1, run.phase)
            if run.round is None:
                continue
            try:
                glances, unreadable = readable_rounds(ledger, run)
            except NotFoundError:  # it was deleted meanwhile
                continue
            phases.update(glance.round.phase for glance in glances)
            if run.round in unreadable or not glances:
                continue
            newest = glances[-1]
            current = newest.round
            gauges.set("fedface_run_round", run, run.round)
            gauges.set("fedface_round_invited", run, newest.invited)
            gauges.set("fedface_round_accepted", run, newest.accepted)
            gauges.set("fedface_round_failed", run, newest.failed)
            awaited = newest.unsettled if current.takes is RoundPhase.OPEN else 0
            gauges.set("fedface_round_awaited", run, awaited)
            overdue = (now - current.deadline_at).total_seconds() if current.phase in WAITS_FOR_CLIENTS else 0.0
            gauges.set("fedface_round_overdue_seconds", run, max(0.0, overdue))
            _set_aggregation_gauges(gauges, run, [glance.round for glance in glances])
        yield _by_phase("fedface_rounds", "Rounds of the newest runs by phase.", phases, RoundPhase)
        yield from gauges.families.values()


def _set_aggregation_gauges(gauges: _RunGauges, run: Run, rounds: Sequence[RoundState]) -> None:
    newest = next((state.aggregation for state in reversed(rounds) if state.aggregation), None)
    if newest is None:
        return
    gauges.set("fedface_run_spreadout_loss", run, newest.spreadout_loss)
    gauges.set("fedface_run_class_embedding_cosine_mean", run, newest.mean_off_diagonal_cosine)
    if newest.max_off_diagonal_cosine is not None:
        gauges.set("fedface_run_class_embedding_cosine_max", run, newest.max_off_diagonal_cosine)
    # Enrolment trains nothing, so these are missing until round 1.
    if newest.update_norm is not None:
        gauges.set("fedface_run_update_norm", run, newest.update_norm)
    if newest.loss_before is not None:
        gauges.set("fedface_run_loss", run, newest.loss_before, "before")
    if newest.loss_after is not None:
        gauges.set("fedface_run_loss", run, newest.loss_after, "after")


def _by_phase(name: str, text: str, counts: Counter[Any], phases: Iterable[str]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=["phase"])
    for phase in phases:
        family.add_metric([phase], counts[phase])
    return family


class _RunGauges:
    """The metric families that are labelled by run, in the order of `_TABLE` (name, text, labels beside the run's)."""

    _TABLE: tuple[tuple[str, str, list[str]], ...] = (
        ("fedface_run_round", "The current round's number.", []),
        ("fedface_run_rounds_planned", "Training rounds in the plan.", []),
        (
            "fedface_run_rounds_finished",
            "Training rounds that have finished; abandoned ones do not count.",
            [],
        ),
        ("fedface_run_phase", "1 for the current phase.", ["phase"]),
        ("fedface_round_invited", "Clients invited to the current round.", []),
        ("fedface_round_accepted", "Updates accepted in the current round.", []),
        ("fedface_round_failed", "Clients that failed in the current round.", []),
        ("fedface_round_awaited", "Clients that the open round still waits for.", []),
        ("fedface_round_overdue_seconds", "Seconds past the open round's deadline.", []),
        ("fedface_run_spreadout_loss", "After the newest spreadout.", []),
        ("fedface_run_class_embedding_cosine_mean", "Mean off-diagonal cosine after the newest spreadout.", []),
        ("fedface_run_class_embedding_cosine_max", "Largest off-diagonal cosine after the newest spreadout.", []),
        ("fedface_run_update_norm", "L2 distance that the newest average moved the model.", []),
        ("fedface_run_loss", "Image-weighted mean loss of the newest updates.", ["when"]),
    )

    def __init__(self) -> None:
        self.families = {name: GaugeMetricFamily(name, text, labels=["run", *labels]) for name, text, labels in self._TABLE}

    def set(self, name: str, run: Run, value: float, *labels: str) -> None:
        self.families[name].add_metric([run.id, *labels], value)
