"""What Redis remembers of deleted runs. `RedisRecords.delete` adds to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fedface_core.adapters.redis.keys import DELETED, LEFTOVERS, to_microseconds
from fedface_core.adapters.redis.lookup import RunLookup
from fedface_core.ports import LEFTOVERS_AT_ONCE


class RedisDeletedRuns(RunLookup):
    """`DeletedRuns` in Redis or Valkey."""

    def was_deleted(self, run_id: str) -> bool:
        """Whether a run with this id was deleted lately."""
        with self._server.pipeline() as pipeline:
            pipeline.zscore(DELETED, run_id)
            (deleted,) = pipeline.execute()
        return deleted is not None

    def leftovers(self, before: datetime) -> Sequence[str]:
        """The first runs that were deleted before this time, and in whose folders objects may lie that came late."""
        with self._server.pipeline() as pipeline:
            pipeline.zrangebyscore(LEFTOVERS, "-inf", f"({to_microseconds(before)}", start=0, num=LEFTOVERS_AT_ONCE)
            (run_ids,) = pipeline.execute()
        return [str(run_id) for run_id in run_ids]

    def forget_leftovers(self, run_id: str) -> None:
        """Record that nothing is left of a deleted run."""
        with self._server.pipeline() as pipeline:
            pipeline.zrem(LEFTOVERS, run_id)
            pipeline.execute()
