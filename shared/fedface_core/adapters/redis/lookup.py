"""Runs in Redis by their ids, and the errors for missing runs and rounds. All parts of the ledger use them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import structlog

from fedface_core.adapters.redis.connection import RedisServer
from fedface_core.adapters.redis.keys import run_keys, to_microseconds
from fedface_core.contracts.schema_version import UNREADABLE, read_versioned
from fedface_core.domain.errors import FedFaceError, NotFoundError
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
        return readable_runs(self._records(run_ids))

    def _records(self, run_ids: Sequence[str]) -> dict[str, str | None]:
        """The records of these runs, in one round trip; None of a run that is missing."""
        with self._server.pipeline() as pipeline:
            for run_id in run_ids:
                pipeline.hget(run_keys(run_id).run, "record")
            return dict(zip(run_ids, pipeline.execute(), strict=True))

    def _round_numbers(self, run_id: str) -> list[int]:
        """The numbers of the run's rounds, in order. `NotFoundError` if there is no such run."""
        keys = run_keys(run_id)
        with self._server.pipeline() as pipeline:
            pipeline.exists(keys.run)
            pipeline.smembers(keys.rounds)
            exists, numbers = pipeline.execute()
        self._require_run(exists, run_id)
        return sorted(map(int, numbers))

    def _given_time(self) -> int | str:
        """The time argument of a script: that of the ledger's clock in µs, or '' for the server's time."""
        return "" if self._clock is None else to_microseconds(self._clock.now())

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
    for run_id, read in _read(records):
        if isinstance(read, Run):
            runs.append(read)
        else:
            log.warning("record_unreadable", run_id=run_id, reason=str(read))
    return runs


def unreadable_runs(records: Mapping[str, str | None]) -> dict[str, str]:
    """Run → why, of the records ``run id → JSON`` that cannot be read."""
    return {run_id: str(read) for run_id, read in _read(records) if not isinstance(read, Run)}


def _read(records: Mapping[str, str | None]) -> Iterator[tuple[str, Run | FedFaceError]]:
    """Each run that is not missing, or the error that its record gives."""
    for run_id, record in records.items():
        if record is None:
            continue
        try:
            yield run_id, read_versioned(Run, record)
        except UNREADABLE as error:
            yield run_id, error
