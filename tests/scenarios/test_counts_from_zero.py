"""Each service exports every combination of label values at 0 from its start, so that a first count is not missed.

Each process here is fresh, and is set up as `fedface_core.runtime.worker` sets a worker up.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from fedface_core.domain.update import RefusalReason
from fedface_core.runtime.received_message import MessageFault

# In argv: the module with the service's tasks. Prints what the worker's parent process exports before any task has run, then
# what it exports once a process of its pool has counted one refused update.
WORKER = """
import json, os, sys
from importlib import import_module
from pathlib import Path
from pydantic import SecretStr
from fedface_core.runtime.settings import DeviceSettings, ControlSettings

settings = type("EverySetting", (ControlSettings, DeviceSettings), {})(
    redis_url=SecretStr("redis://redis"), artifacts="directory", artifact_directory=Path(sys.argv[2]),
)
import_module(sys.argv[1]).create(settings)
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector
from fedface_core.runtime.metrics import UPDATES

registry = CollectorRegistry()
MultiProcessCollector(registry)

def exported():
    samples = [s for m in registry.collect() for s in m.samples if s.name.endswith(("_total", "_count"))]
    return [[s.name, sorted(s.labels.items()), s.value] for s in samples]

start = exported()
if os.fork() == 0:
    UPDATES.labels("refused", "not_finite").inc()
    os._exit(0)
os.wait()
kinds = [m.name for m in REGISTRY.collect() if m.type in ("counter", "histogram") and m.name.startswith("fedface_")]
print(json.dumps([start, exported(), kinds]))
"""

API = """
import json, sys
from prometheus_client import REGISTRY
import fedface_control.api.app

families = [m for m in REGISTRY.collect() if m.name.startswith("fedface_")]
samples = [s for m in families for s in m.samples if s.name.endswith(("_total", "_count"))]
samples = [[s.name, sorted(s.labels.items()), s.value] for s in samples]
print(json.dumps([samples, [], [m.name for m in families if m.type in ("counter", "histogram")]]))
"""

TASKS = {
    "fedface_client.tasks": [
        *("client.list_identities", "client.enrol", "client.train"),
        *("client.register_devices", "client.share_keys", "client.sign_accepted_set", "client.reveal_shares"),
    ],
    "fedface_aggregator.tasks": [
        *("aggregator.prepare_model", "aggregator.hand_on_shares", "aggregator.fold_shard", "aggregator.reduce_round"),
    ],
    "fedface_evaluator.tasks": ["evaluator.evaluate_model"],
    "fedface_control.tasks": ["control.handle_fact", "control.sweep"],
}
OUTCOMES = ["ok", "error", "refused", "forged", "interrupted", "given_up"]
KINDS = [
    *("aggregation", "claim", "class_embedding", "guidance", "identity_list", "manifest", "model", "partial", "report"),
    *("residual", "row", "run", "server_state", "update", "upload", "other"),
    *("accepted_set", "device", "journal", "key_bundle", "received_share", "revelation", "roster", "signature"),
]
# Metric → its labels, and the values of each.
COMMON: dict[str, dict[str, list[str]]] = {
    "fedface_update_bytes_total": {"encoding": ["float32", "float16", "int8", "top-k"]},
    "fedface_artifact_bytes_total": {"operation": ["put", "get"], "kind": KINDS},
    "fedface_clipped_updates_total": {},
    "fedface_aggregation_seconds_count": {"step": ["fold", "reduce"]},
    "fedface_client_step_seconds_count": {"step": ["fetch", "embed", "train", "put", "record"]},
    "fedface_training_images_total": {},
    "fedface_device_events_total": {"event": ["unavailable", "dropped_out", "upload_failed", "late"]},
    "fedface_waiting_seconds_total": {"dependency": ["ledger", "artifact_store", "broker"]},
    "fedface_dropped_messages_total": {
        "queue": ["client", "aggregator", "evaluator", "control", "client-cuda", "evaluator-cuda", "unknown"],
        "fault": [*MessageFault],
    },
    "fedface_webhooks_total": {"outcome": ["delivered", "failed", "dropped"]},
    "fedface_sweep_repeats_total": {
        "phase": [
            *("preparing", "open", "aggregating", "evaluating"),
            *("registering", "sharing", "handing_on", "unmasking"),
        ]
    },
}
UPDATES = [("accepted", ""), ("failed", "client"), *(("refused", reason) for reason in RefusalReason)]


def samples_of(script: str, *arguments: str, **environment: str) -> Any:
    """What a fresh process prints."""
    command = [sys.executable, "-c", script, *arguments]
    path = os.pathsep.join(path for path in sys.path if path)
    surroundings = os.environ | {"PYTHONPATH": path} | environment
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def as_dict(samples: list[Any]) -> dict[Any, float]:
    return {(name, *(tuple(label) for label in labels)): value for name, labels, value in samples}


def expected(tasks: list[str]) -> set[Any]:
    """Every sample that a process with these tasks exports."""
    queues = sorted({task.partition(".")[0] for task in tasks})
    metrics = {
        **COMMON,
        "fedface_task_seconds_count": {"task": tasks, "queue": queues, "outcome": OUTCOMES},
        "fedface_tasks_came_back_total": {"task": tasks},
    }
    combinations = {
        (name, *sorted(zip(labels, values, strict=True)))
        for name, labels in metrics.items()
        for values in product(*labels.values())
    }
    return combinations | {
        ("fedface_updates_total", ("outcome", outcome), ("reason", reason)) for outcome, reason in UPDATES
    }


def families(samples: set[Any]) -> set[str]:
    return {name.removesuffix("_total").removesuffix("_count") for name, *_ in samples}


@pytest.mark.parametrize(
    "module", [pytest.param(name, marks=[] if name == "fedface_client.tasks" else pytest.mark.long) for name in TASKS]
)
def test_a_worker_exports_all_at_zero_before_its_first_task(tmp_path: Path, module: str) -> None:
    start, after, kinds = samples_of(WORKER, module, str(tmp_path), PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
    before = as_dict(start)
    assert before.keys() == expected(TASKS[module])
    assert set(before.values()) == {0.0}
    assert set(kinds) == families(set(before)), "each counter and histogram of the process is in this test"
    first = {sample: value for sample, value in as_dict(after).items() if value != before[sample]}
    assert first == {("fedface_updates_total", ("outcome", "refused"), ("reason", "not_finite")): 1.0}


def test_the_api_exports_all_at_zero_too() -> None:
    samples, _, kinds = samples_of(API)
    exported = as_dict(samples)
    assert exported.keys() == expected([])
    assert set(exported.values()) == {0.0}
    assert set(kinds) == families(set(exported)) | {"fedface_task_seconds", "fedface_tasks_came_back"}
