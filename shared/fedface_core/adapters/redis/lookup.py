"""Runs in Redis by their ids, and the errors for missing runs and rounds. All parts of the ledger use them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog

from fedface_core.adapters.redis.connection import RedisServer
from fedface_core.adapters.redis.keys import run_keys
from fedface_core.contracts.schema_version import read_versioned
from fedface_core.domain.errors import DamagedObjectError, NotFoundError, UnknownSchemaError
from fedface_core.domain.run import Run
from fedface_core.ports import Clock

log = structlog.get_logger(__name__)


class RunLookup:
    """The base class of `RedisRecords`, `RedisSettlement` and `RedisViews`: a server, and its runs by their ids.

    ``clock`` gives the time of the ledger. Without it, the time is the server's.
    """

    def __init__(self, server: RedisServer, clock: Clock | None = None) -> None:
        self._server = server
        self._clock = clock

    def load(self, run_id: str) -> Run:
        """The run as it is stored now."""
        with self._server.pipeline() as pipeline:
            pipeline.hget(run_keys(run_id).run, "record")
            (record,) = pipeline.execute()
        if record is None:
            raise NotFoundError(f"there is no run {run_id}")
        return read_versioned(Run, record)

    def _load_all(self, run_ids: Sequence[str]) -> list[Run]:
        """The runs with these ids, in one round trip. Runs that are missing or cannot be read are left out."""
        with self._server.pipeline() as pipeline:
            for run_id in run_ids:
                pipeline.hget(run_keys(run_id).run, "record")
            records = pipeline.execute()
        return readable_runs(dict(zip(run_ids, records, strict=True)))

    def _round_numbers(self, run_id: str) -> list[int]:
        """The numbers of the run's rounds, in order. `NotFoundError` if there is no such run."""
        keys = run_keys(run_id)
        with self._server.pipeline() as pipeline:
            pipeline.exists(keys.run)
            pipeline.smembers(keys.rounds)
            exists, numbers = pipeline.execute()
        self._require_run(exists, run_id)
        return sorted(map(int, numbers))

    def _require_run(self, exists: bool, run_id: str) -> None:
        """Raise `NotFoundError`, which names the run, unless the run exists."""
        if not exists:
            raise NotFoundError(f"there is no run {run_id}")

    def _require_round(self, exists: bool, run_id: str, number: int) -> None:
        """Raise `NotFoundError` unless the round exists. It names the round, or the run if the run is missing."""
        if not exists:
            self.load(run_id)
            raise NotFoundError(f"{run_id} has no round {number}")


def readable_runs(records: Mapping[str, str | None]) -> list[Run]:
    """The runs in the records ``run id → JSON``. A record that cannot be read is logged and left out; None is left out."""
    runs = []
    for run_id, record in records.items():
        if record is None:
            continue
        try:
            runs.append(read_versioned(Run, record))
        except (UnknownSchemaError, DamagedObjectError) as error:
            log.warning("record_unreadable", run_id=run_id, reason=str(error))
    return runs
