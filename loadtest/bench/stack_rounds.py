"""Rounds of a plan on a running local stack, on which every update is really uploaded, checked and folded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean

import httpx
from prometheus_client.parser import text_string_to_metric_families

from fedface_cli.api_client import ControlApi
from fedface_core.contracts.http import RoundView
from fedface_core.domain.plan import Plan
from fedface_stack.stack import LocalStack
from loadtest.bench.completed_run import RunDidNotCompleteError, wait_for_completion


def mean_round_seconds(stack: LocalStack, plan: Plan) -> float:
    """Run the plan. Returns the mean seconds of its training rounds, from their opening to the end of their evaluation.

    `RunDidNotCompleteError` if the run does not complete or if a client fails.
    """
    return mean(map(round_seconds, training_rounds(stack, plan)))


def training_rounds(stack: LocalStack, plan: Plan) -> Sequence[RoundView]:
    """Run the plan. Returns its training rounds. `RunDidNotCompleteError` if the run does not complete."""
    with ControlApi(stack.api_url) as api:
        run_id = api.create(plan).id
        api.start(run_id)
        wait_for_completion(stack, api, run_id)
        return api.rounds(run_id).rounds[1:]


def round_seconds(view: RoundView) -> float:
    """The seconds from the opening of a finished round to the end of its evaluation.

    `RunDidNotCompleteError` if one of its clients failed.
    """
    if view.failed:
        raise RunDidNotCompleteError(f"{len(view.failed)} clients failed in round {view.number}: {view.failed}")
    assert view.finished_at is not None, "a completed run has finished every round"
    return (view.finished_at - view.opened_at).total_seconds()


class ClientStepTimes:
    """The durations of the clients' steps since this object was made, read from the client service's metrics."""

    def __init__(self, stack: LocalStack) -> None:
        self._totals = _Growth(stack, "fedface_client_step_seconds", ("step",))

    def means_ms(self) -> dict[str, float]:
        """Step → its mean duration in milliseconds."""
        totals = self._totals.since_then()
        steps = {step for step, kind in totals if kind == "count" and totals[step, kind] > 0}
        return {step: 1000 * totals[step, "sum"] / totals[step, "count"] for step in sorted(steps)}


class ClientBytes:
    """The bytes that client workers moved since this object was made, read from the client service's metrics."""

    def __init__(self, stack: LocalStack) -> None:
        self._totals = _Growth(stack, "fedface_artifact_bytes", ("operation", "kind"))

    def moved(self) -> dict[tuple[str, str], float]:
        """(operation, kind of artifact) → bytes put to the store or got from it."""
        totals = self._totals.since_then()
        return {(operation, kind): count for (operation, kind, total), count in totals.items() if total == "total"}


class _Growth:
    """By how much a metric of the client service has grown since this object was made."""

    def __init__(self, stack: LocalStack, family: str, labels: tuple[str, ...]) -> None:
        self._url = f"http://{stack.metrics_targets['client']}/metrics"
        self._family = family
        self._labels = labels
        self._before = self._now()

    def since_then(self) -> dict[tuple[str, ...], float]:
        """Its labels, and in the end "sum", "count" or "total" → the growth."""
        return {name: value - self._before.get(name, 0.0) for name, value in self._now().items()}

    def _now(self) -> Mapping[tuple[str, ...], float]:
        text = httpx.get(self._url, timeout=10.0, trust_env=False).raise_for_status().text
        return {
            (*(sample.labels[label] for label in self._labels), sample.name.removeprefix(f"{self._family}_")): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name in (f"{self._family}_{kind}" for kind in ("sum", "count", "total"))
        }
