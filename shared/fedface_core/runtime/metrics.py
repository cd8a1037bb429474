"""The counters and histograms of every service process. With Celery's prefork pool they need the multiprocess mode of
prometheus_client, which `runtime.worker` sets.

Gauges about runs are not here. The API and the evaluator read them from the ledger when they are scraped. So each gauge is
exported once, is right after a restart, and needs no shared files.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from prometheus_client import Counter, Histogram

from fedface_core.contracts import object_keys
from fedface_core.ports import ArtifactStore

# How many of the newest runs have gauges of their own, in control and in the evaluator: a bound on label values.
NEWEST_RUNS = 20

# Bounds of the buckets in seconds, from a task with nothing to do to the training of a large network.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)

TASK_SECONDS = Histogram("fedface_task_seconds", "Duration of a task.", ["task", "outcome"], buckets=_SECONDS)
UPDATES = Counter("fedface_updates", "Updates by what became of them.", ["outcome", "reason"])
UPDATE_BYTES = Counter("fedface_update_bytes", "Bytes of accepted training updates.", ["encoding"])
ARTIFACT_BYTES = Counter("fedface_artifact_bytes", "Bytes moved to and from the artifact store.", ["operation", "kind"])
AGGREGATION_SECONDS = Histogram(
    "fedface_aggregation_seconds", "Duration of the steps of an aggregation.", ["step"], buckets=_SECONDS
)
# The shortest step of a client takes a tenth of a millisecond.
CLIENT_STEP_SECONDS = Histogram(
    "fedface_client_step_seconds",
    "Duration of the steps of a client: fetch, embed or train, put, record.",
    ["step"],
    buckets=(0.0001, 0.0002, 0.0005, 0.001, 0.002, *_SECONDS),
)
TRAINING_IMAGES = Counter("fedface_training_images", "Images seen by local training, once for each gradient step.")
DEVICE_EVENTS = Counter("fedface_device_events", "What simulated devices did that ideal ones do not.", ["event"])
WAITING_SECONDS = Counter(
    "fedface_waiting_seconds", "Time that tasks waited for a dependency that did not answer.", ["dependency"]
)
SWEEP_REPEATS = Counter("fedface_sweep_repeats", "Phases whose commands the sweep published again.", ["phase"])


class CountedArtifacts:
    """An `ArtifactStore` that passes every call to ``store`` and counts the bytes put and got, by kind of artifact."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    def put(self, key: str, *data: bytes | memoryview) -> None:
        """Store an object, or replace it. The bytes are counted."""
        self._store.put(key, *data)
        ARTIFACT_BYTES.labels("put", object_keys.kind(key)).inc(sum(map(len, data)))

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

    def size(self, key: str) -> int:
        """The object's size in bytes; the object is not read."""
        return self._store.size(key)

    def modified(self, key: str) -> datetime:
        """When the object was last put: an aware datetime in UTC by the store's clock, to the second or finer."""
        return self._store.modified(key)

    def now(self) -> datetime:
        """The store's time, by which `modified` dates objects: an aware datetime in UTC, to the second or finer."""
        return self._store.now()

    def keys(self, prefix: str) -> Sequence[str]:
        """All keys that start with ``prefix``, sorted."""
        return self._store.keys(prefix)

    def delete(self, key: str) -> None:
        """Remove the object."""
        self._store.delete(key)

    def delete_all(self, keys: Sequence[str]) -> None:
        """Remove many objects, in few requests if the store allows it."""
        self._store.delete_all(keys)

    def ping(self) -> None:
        """Check that the store answers and accepts our credentials."""
        self._store.ping()
