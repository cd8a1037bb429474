"""How far the receivers of webhooks were told of the audit trails, in Redis."""

from __future__ import annotations

from collections.abc import Sequence

from fedface_core.adapters.redis.keys import ACTIVE, RECEIVERS, RUNS, run_keys
from fedface_core.adapters.redis.views import RedisViews
from fedface_core.ports import RecordedEvent


class RedisDeliveries(RedisViews):
    """`EventDeliveries` in Redis or Valkey."""

    def followed_runs(self, *, ended: bool) -> Sequence[str]:
        """The ids of runs of which events may come."""
        with self._server.pipeline() as pipeline:
            pipeline.zrange(RUNS if ended else ACTIVE, 0, -1)
            (run_ids,) = pipeline.execute()
        return list(run_ids)

    def undelivered_runs(self, receiver: str, run_ids: Sequence[str]) -> Sequence[str]:
        """Those of the runs whose newest event the receiver was not told of."""
        first = self._told_after(receiver)
        with self._server.pipeline() as pipeline:
            for run_id in run_ids:
                keys = run_keys(run_id)
                pipeline.xrevrange(keys.events, count=1)
                pipeline.hget(keys.delivered, receiver)
            answers = iter(pipeline.execute())
        waiting = []
        for run_id, newest, told in zip(run_ids, answers, answers, strict=True):
            if newest and _order(newest[0][0]) > _order(told or first):
                waiting.append(run_id)
        return waiting

    def undelivered_events(self, receiver: str, run_id: str, limit: int) -> Sequence[RecordedEvent]:
        """The first ``limit`` events of the run that the receiver was not told of, oldest first."""
        with self._server.pipeline() as pipeline:
            pipeline.hget(run_keys(run_id).delivered, receiver)
            (told,) = pipeline.execute()
        return self.events(run_id, told or self._told_after(receiver), limit)

    def mark_delivered(self, receiver: str, run_id: str, event_id: str) -> None:
        """Record that the receiver was told of this event and those before it."""
        keys = run_keys(run_id)
        self._server.run_script("mark_delivered.lua", keys=[keys.run, keys.delivered], args=[receiver, event_id])

    def _told_after(self, receiver: str) -> str:
        """The id before the first event that is for the receiver: of the moment when it was first named."""
        with self._server.pipeline() as pipeline:
            pipeline.hget(RECEIVERS, receiver)
            (known,) = pipeline.execute()
        if known is not None:
            return str(known)
        with self._server.pipeline() as pipeline:
            pipeline.hsetnx(RECEIVERS, receiver, f"{int(1000 * self.now().timestamp())}-0")
            pipeline.hget(RECEIVERS, receiver)
            _, known = pipeline.execute()
        return str(known)


def _order(event_id: str) -> tuple[int, int]:
    milliseconds, _, number = event_id.partition("-")
    return int(milliseconds), int(number)
