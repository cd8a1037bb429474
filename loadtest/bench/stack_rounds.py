"""Rounds of a plan on a running local stack, on which every update is really uploaded, checked and folded."""

from __future__ import annotations

from collections.abc import Mapping
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
    with ControlApi(stack.api_url) as api:
        run_id = api.create(plan).id
        api.start(run_id)
        wait_for_completion(stack, api, run_id)
        return mean(map(round_seconds, api.rounds(run_id).rounds[1:]))


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
        self._url = f"http://{stack.metrics_targets['client']}/metrics"
        self._before = self._totals()

    def means_ms(self) -> dict[str, float]:
        """Step → its mean duration in milliseconds."""
        totals = {name: value - self._before.get(name, 0.0) for name, value in self._totals().items()}
        steps = {step for step, kind in totals if kind == "count" and totals[step, kind] > 0}
        return {step: 1000 * totals[step, "sum"] / totals[step, "count"] for step in sorted(steps)}

    def _totals(self) -> Mapping[tuple[str, str], float]:
        """(step, "sum" or "count") → the value of the metric."""
        text = httpx.get(self._url, timeout=10.0, trust_env=False).raise_for_status().text
        prefix = "fedface_client_step_seconds_"
        return {
            (sample.labels["step"], sample.name.removeprefix(prefix)): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name in (f"{prefix}sum", f"{prefix}count")
        }
