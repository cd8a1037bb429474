"""The counters and histograms of every service process. With Celery's prefork pool they need the multiprocess mode of
prometheus_client, which `runtime.worker` sets.

Gauges about runs are not here. The API and the evaluator read them from the ledger when they are scraped. So each gauge is
exported once, is right after a restart, and needs no shared files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from itertools import product
from typing import TypeVar

from prometheus_client import Counter, Histogram

from fedface_core.contracts import object_keys
from fedface_core.contracts.tasks import QUEUES
from fedface_core.domain.plan.update_encoding import UPDATE_ENCODINGS
from fedface_core.domain.round import ENDED_ROUND, RoundPhase
from fedface_core.domain.run import RunPhase
from fedface_core.domain.update import RefusalReason
from fedface_core.ports import ForwardedArtifacts
from fedface_core.runtime.received_message import MessageFault

UNKNOWN_QUEUE = "unknown"
# How many of the newest runs have gauges of their own, in control and in the evaluator: a bound on label values.
NEWEST_RUNS = 20

# Bounds of the buckets in seconds, from a task with nothing to do to the training of a large network.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)

MetricT = TypeVar("MetricT", Counter, Histogram)


class TaskOutcome(StrEnum):
    """How a task ended."""

    OK = "ok"
    ERROR = "error"
    REFUSED = "refused"
    """Its message cannot be read."""
    FORGED = "forged"
    """Its message is not signed by a service that may send it."""
    INTERRUPTED = "interrupted"
    """The worker was stopped."""
    GIVEN_UP = "given_up"
    """Its message came back too often, since each process that worked on it was killed."""


class ClientStep(StrEnum):
    """The steps of a client."""

    FETCH = "fetch"
    EMBED = "embed"
    TRAIN = "train"
    PUT = "put"
    RECORD = "record"


class AggregationStep(StrEnum):
    """The steps of an aggregation."""

    FOLD = "fold"
    REDUCE = "reduce"


class DeviceEvent(StrEnum):
    """What a simulated device does that an ideal one does not."""

    UNAVAILABLE = "unavailable"
    DROPPED_OUT = "dropped_out"
    UPLOAD_FAILED = "upload_failed"
    LATE = "late"


class WebhookOutcome(StrEnum):
    """What became of an attempt to tell a receiver of an event."""

    DELIVERED = "delivered"
    FAILED = "failed"
    """It is tried again, unless it is dropped, too."""
    DROPPED = "dropped"


class Dependency(StrEnum):
    """What control looks whether it answers, and tasks wait for if it does not."""

    LEDGER = "ledger"
    ARTIFACT_STORE = "artifact_store"
    BROKER = "broker"


def at_zero(metric: MetricT, *labels: Iterable[str]) -> MetricT:
    """Export the metric at 0 with each combination of these label values, one iterable for each label.

    Otherwise a combination would appear with its first count, and Prometheus's `increase` and `rate`, which compare a count
    with the one before, would miss that. In a worker's parent process this makes the first file of the multiprocess mode, so
    the zeros are there before any process of the pool has counted something. Returns the metric.
    """
    for values in product(*labels):
        metric.labels(*values)
    return metric


# The label values of these metrics are known from the start. No metric here is labelled by run or by client.
TASK_SECONDS = Histogram(
    "fedface_task_seconds",
    "Duration of a task, by the queue that its worker takes from.",
    ["task", "queue", "outcome"],
    buckets=_SECONDS,
)
TASKS_CAME_BACK = Counter(
    "fedface_tasks_came_back", "Tasks that came back to their queue, since the process that worked on them ended.", ["task"]
)
UPDATES = Counter("fedface_updates", "Updates by what became of them.", ["outcome", "reason"])
at_zero(UPDATES, ["accepted"], [""])
at_zero(UPDATES, ["refused"], RefusalReason)
at_zero(UPDATES, ["failed"], ["client"])
CLIPPED_UPDATES = Counter(
    "fedface_clipped_updates", "Updates that count, but were so far from the global model that they were clipped."
)
UPDATE_BYTES = at_zero(
    Counter("fedface_update_bytes", "Bytes of accepted training updates.", ["encoding"]), UPDATE_ENCODINGS
)
ARTIFACT_BYTES = at_zero(
    Counter("fedface_artifact_bytes", "Bytes moved to and from the artifact store.", ["operation", "kind"]),
    ["put", "get"],
    (*object_keys.KINDS, object_keys.OTHER),
)
AGGREGATION_SECONDS = at_zero(
    Histogram("fedface_aggregation_seconds", "Duration of the steps of an aggregation.", ["step"], buckets=_SECONDS),
    AggregationStep,
)
# The shortest step of a client takes a tenth of a millisecond.
CLIENT_STEP_SECONDS = at_zero(
    Histogram(
        "fedface_client_step_seconds",
        "Duration of the steps of a client: fetch, embed or train, put, record.",
        ["step"],
        buckets=(0.0001, 0.0002, 0.0005, 0.001, 0.002, *_SECONDS),
    ),
    ClientStep,
)
TRAINING_IMAGES = Counter("fedface_training_images", "Images seen by local training, once for each gradient step.")
DEVICE_EVENTS = at_zero(
    Counter("fedface_device_events", "What simulated devices did that ideal ones do not.", ["event"]), DeviceEvent
)
WAITING_SECONDS = at_zero(
    Counter("fedface_waiting_seconds", "Time that tasks waited for a dependency that did not answer.", ["dependency"]),
    Dependency,
)
SWEEP_REPEATS = at_zero(
    Counter("fedface_sweep_repeats", "Phases whose commands the sweep published again.", ["phase"]),
    [RunPhase.PREPARING, *(phase for phase in RoundPhase if phase not in ENDED_ROUND | {RoundPhase.SUSPENDED})],
)
WEBHOOKS = at_zero(Counter("fedface_webhooks", "Attempts to tell a receiver of an event.", ["outcome"]), WebhookOutcome)
# A message says itself which queue it was taken from, so it may name any; "unknown" is what is none of ours.
DROPPED_MESSAGES = at_zero(
    Counter("fedface_dropped_messages", "Messages that were dropped unread.", ["queue", "fault"]),
    (*QUEUES, UNKNOWN_QUEUE),
    MessageFault,
)


def export_task(task: str, queue: str) -> None:
    """Export the counts of a task at 0, for each outcome. A process exports the tasks that it serves, and no others.

    ``queue`` is the queue that this process takes the task from.
    """
    at_zero(TASK_SECONDS, [task], [queue], TaskOutcome)
    at_zero(TASKS_CAME_BACK, [task])


class CountedArtifacts(ForwardedArtifacts):
    """An `ArtifactStore` over another one, which counts the bytes put and got, by kind of artifact."""

    def put(self, key: str, *data: bytes | memoryview, sha256: str | None = None) -> None:
        """Store an object, or replace it. The bytes are counted."""
        self._store.put(key, *data, sha256=sha256)
        ARTIFACT_BYTES.labels("put", object_keys.kind(key)).inc(sum(map(len, data)))

    def put_once(self, key: str, *data: bytes | memoryview) -> bool:
        """Store an object if there is none under the key. The bytes are counted if this call has stored them."""
        stored = self._store.put_once(key, *data)
        if stored:
            ARTIFACT_BYTES.labels("put", object_keys.kind(key)).inc(sum(map(len, data)))
        return stored

    def put_all(self, objects: Mapping[str, Sequence[bytes | memoryview]]) -> None:
        """Store many objects, some at a time if the store is far away. The bytes are counted."""
        self._store.put_all(objects)
        for key, parts in objects.items():
            ARTIFACT_BYTES.labels("put", object_keys.kind(key)).inc(sum(map(len, parts)))

    def get(self, key: str) -> bytes:
        """The whole object. The bytes are counted."""
        data = self._store.get(key)
        ARTIFACT_BYTES.labels("get", object_keys.kind(key)).inc(len(data))
        return data

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """``length`` bytes of the object from byte ``start`` on; fewer if the object ends before. The bytes are counted."""
        data = self._store.get_range(key, start, length)
        ARTIFACT_BYTES.labels("get", object_keys.kind(key)).inc(len(data))
        return data

    def read_into(self, key: str, start: int, buffer: bytearray | memoryview) -> int:
        """Copy the object's bytes from byte ``start`` on into ``buffer``, until the buffer is full or the object ends. The
        bytes are counted.
        """
        size = self._store.read_into(key, start, buffer)
        ARTIFACT_BYTES.labels("get", object_keys.kind(key)).inc(max(0, min(len(buffer), size - start)))
        return size
