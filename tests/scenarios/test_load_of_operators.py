"""The operators that Locust simulates use the control API as it is: none of their requests fails."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from prometheus_client import CollectorRegistry

from fedface_control.api.app import create_app
from support.control_rounds import Control
from support.open_sign_in import open_sign_in
from support.served_app import served

# In a process of its own: Locust replaces parts of the standard library as it is imported.
EACH_TASK_ONCE = """
import json, sys
from locust.env import Environment
from loadtest.locust.locustfile import Operator

Operator.host = sys.argv[1]
environment = Environment(user_classes=[Operator])
environment.create_local_runner()  # it counts the requests
operator = Operator(environment)
operator.client.trust_env = False
for task in Operator.tasks:
    task(operator)
requests = {f"{entry.method} {entry.name}": entry.num_requests for entry in environment.stats.entries.values()}
print(json.dumps({"requests": requests, "errors": [error.error for error in environment.stats.errors.values()]}))
"""


@pytest.mark.slow
def test_each_task_of_an_operator_succeeds_at_the_real_api() -> None:
    control = Control.empty()
    with served(create_app(control.ports, CollectorRegistry(), open_sign_in())) as url:
        command = [sys.executable, "-W", "ignore", "-c", EACH_TASK_ONCE, url]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert [str(error) for error in said["errors"]] == []
    assert said["requests"] == {
        "POST /v1/runs": 1,
        "POST /v1/runs/[id]/start": 1,
        "GET /v1/runs/[id]/events": 1,
        "GET /v1/runs/[id]": 3,
        "GET /v1/runs/[id]/rounds": 3,
        "POST /v1/runs/[id]/cancel": 1,
        "GET /v1/runs": 1,
        "POST /v1/runs (wrong plan)": 1,
    }
