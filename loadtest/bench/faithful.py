"""Rounds of a plan on a running local stack: every update really uploaded, checked and folded."""

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


def faithful_round_seconds(stack: LocalStack, plan: Plan) -> float:
    """Run the plan. Returns how long its training rounds took, on average: from opening to the end of the evaluation."""
    with ControlApi(stack.api_url) as api:
        run_id = api.create(plan).id
        api.start(run_id)
        wait_for_completion(stack, api, run_id)
        return mean(map(_seconds, api.rounds(run_id).rounds[1:]))


def _seconds(view: RoundView) -> float:
    if view.failed:
        raise RunDidNotCompleteError(f"{len(view.failed)} clients failed in round {view.number}: {view.failed}")
    assert view.finished_at is not None, "a completed run has finished every round"
    return (view.finished_at - view.opened_at).total_seconds()


class StepTimes:
    """The clients' own account of their time since this was made, by step."""

    def __init__(self, stack: LocalStack) -> None:
        self._url = f"http://{stack.metrics_targets['client']}/metrics"
        self._before = self._totals()

    def means_ms(self) -> dict[str, float]:
        """Step → its mean duration in milliseconds."""
        totals = {name: value - self._before.get(name, 0.0) for name, value in self._totals().items()}
        steps = {step for step, kind in totals if kind == "count" and totals[step, kind] > 0}
        return {step: 1000 * totals[step, "sum"] / totals[step, "count"] for step in sorted(steps)}

    def _totals(self) -> Mapping[tuple[str, str], float]:
        text = httpx.get(self._url, timeout=10.0, trust_env=False).raise_for_status().text
        prefix = "fedface_client_step_seconds_"
        return {
            (sample.labels["step"], sample.name.removeprefix(prefix)): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name in (f"{prefix}sum", f"{prefix}count")
        }
