"""Operators who use the control API at once: each creates a run, starts it, reads it several times, and cancels it.

    fedface up &
    python -m locust --config loadtest/locust/locust.conf

Locust ends with status 1 if any response had a status that the API does not promise.
"""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import Any

from locust import HttpUser, between, task

from loadtest.bench.no_op_plan import no_op_plan

READS = 3
READ_INTERVAL_SECONDS = 0.2
EVENT_TIMEOUT_SECONDS = 2.0


class Operator(HttpUser):
    """An operator, who follows one run at a time."""

    wait_time = between(0.1, 0.5)

    @task(1)
    def follow_a_run(self) -> None:
        """Create a run, start it, read it several times, and cancel it."""
        run = self._request("POST", "/v1/runs", HTTPStatus.CREATED, json=no_op_plan(clients=4, rounds=2))
        if run is None:
            return
        path = f"/v1/runs/{run['id']}"
        self._request("POST", f"{path}/start", HTTPStatus.OK, name="/v1/runs/[id]/start")
        self._watch(path)
        for _ in range(READS):
            self._request("GET", path, HTTPStatus.OK, name="/v1/runs/[id]")
            self._request("GET", f"{path}/rounds", HTTPStatus.OK, name="/v1/runs/[id]/rounds")
            time.sleep(READ_INTERVAL_SECONDS)  # Locust makes this yield to the other users
        # It may have completed meanwhile. Then the API answers that there is nothing to cancel.
        self._request("POST", f"{path}/cancel", HTTPStatus.OK, HTTPStatus.CONFLICT, name="/v1/runs/[id]/cancel")

    @task(1)
    def list_runs(self) -> None:
        """Read the list of all runs."""
        self._request("GET", "/v1/runs", HTTPStatus.OK)

    @task(1)
    def send_a_wrong_plan(self) -> None:
        """Send a plan with an unknown field, which the API has to refuse."""
        plan = no_op_plan(clients=4, rounds=1) | {"round": 1}
        self._request("POST", "/v1/runs", HTTPStatus.UNPROCESSABLE_ENTITY, name="/v1/runs (wrong plan)", json=plan)

    def _request(self, method: str, path: str, *expected: HTTPStatus, name: str | None = None, **request: Any) -> Any:
        """The body of the response. None if its status was not expected, which Locust then counts as a failure."""
        with self.client.request(method, path, name=name or path, catch_response=True, **request) as response:
            if response.status_code in expected:
                response.success()
                return response.json()
            response.failure(f"status {response.status_code}: {response.text[:200]}")
            return None

    def _watch(self, path: str) -> None:
        """Read the event stream until the run has started."""
        with self.client.get(
            f"{path}/events", name="/v1/runs/[id]/events", stream=True, timeout=EVENT_TIMEOUT_SECONDS, catch_response=True
        ) as response:
            response.failure(f"the stream ended without an event run_started; status {response.status_code}")
            for line in response.iter_lines(decode_unicode=True):
                if line == "event: run_started":
                    response.success()
                    break
            response.close()
