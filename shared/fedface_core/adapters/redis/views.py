"""What the API and the metrics read of runs and rounds in Redis. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime
from itertools import compress
from typing import Final

from redis.client import Pipeline

from fedface_core.adapters.audit_trail import check_event_id, readable_event
from fedface_core.adapters.redis.keys import RUNS, from_microseconds, round_keys, run_keys
from fedface_core.adapters.redis.lookup import RunLookup, unreadable_runs
from fedface_core.contracts.schema_version import read_versioned
from fedface_core.domain.errors import NotFoundError
from fedface_core.domain.round import RoundState
from fedface_core.domain.run import Run, RunPhase
from fedface_core.ports import RecordedEvent, RoundSummary

_ANSWERS_PER_SUMMARY: Final = 6
_LAST_MILLISECOND: Final = 253_402_300_799_000  # the calendar ends with the year 9999


class RedisViews(RunLookup):
    """`RunViews` in Redis or Valkey."""

    def now(self) -> datetime:
        """The ledger's time, an aware datetime in UTC: the one clock by which all deadlines are set and judged."""
        if self._clock is not None:
            return self._clock.now()
        with self._server.pipeline() as pipeline:
            pipeline.time()
            ((seconds, microseconds),) = pipeline.execute()
        return from_microseconds(1_000_000 * seconds + microseconds)

    def runs(self, limit: int | None = None, before: str | None = None) -> Sequence[Run]:
        """All runs, newest first; only runs older than the run ``before`` if that is given; the first ``limit`` of them."""
        return self._load_all(self._newest(limit, before))

    def unreadable_runs(self, limit: int | None = None, before: str | None = None) -> Mapping[str, str]:
        """Run → why its record cannot be read, of the runs that `runs` leaves out with equal arguments."""
        return unreadable_runs(self._records(self._newest(limit, before)))

    def _newest(self, limit: int | None, before: str | None) -> list[str]:
        first = 0
        if before is not None:
            with self._server.pipeline() as pipeline:
                pipeline.zrevrank(RUNS, before)
                (rank,) = pipeline.execute()
            if rank is None:  # it was deleted meanwhile, or is no run that the index knows
                raise NotFoundError(f"there is no run {before}")
            first = rank + 1
        with self._server.pipeline() as pipeline:
            pipeline.zrevrange(RUNS, first, -1 if limit is None else first + limit - 1)
            (run_ids,) = pipeline.execute()
        return list(run_ids)

    def run_phases(self) -> Sequence[RunPhase]:
        """The phase of every run, in no order."""
        with self._server.pipeline() as pipeline:
            pipeline.zrange(RUNS, 0, -1)
            (run_ids,) = pipeline.execute()
        with self._server.pipeline() as pipeline:
            for run_id in run_ids:
                pipeline.hget(run_keys(run_id).run, "phase")
            return [RunPhase(phase) for phase in pipeline.execute() if phase in [*RunPhase]]  # not what nobody can read

    def run_count(self) -> int:
        """How many runs the ledger has, whether their records can be read or not."""
        with self._server.pipeline() as pipeline:
            pipeline.zcard(RUNS)
            (count,) = pipeline.execute()
        return int(count)

    def known_runs(self, run_ids: Iterable[str]) -> Set[str]:
        """Those of the runs that the ledger has, whether their records can be read or not."""
        asked = sorted(set(run_ids))
        with self._server.pipeline() as pipeline:
            for run_id in asked:
                pipeline.exists(run_keys(run_id).run)
            return set(compress(asked, pipeline.execute()))

    def round_summary(self, run_id: str, number: int) -> RoundSummary:
        """The round and the counts of its clients at one moment."""
        with self._server.pipeline(transaction=True) as pipeline:
            _request_summary(pipeline, run_id, number)
            answers = pipeline.execute()
        self._require_round(answers[0] is not None, run_id, number)
        return _summary(*answers)

    def round_summaries(self, run_id: str, after: int | None = None, limit: int | None = None) -> Sequence[RoundSummary]:
        """All rounds of the run, in order, with the counts of their clients; those above ``after``; ``limit`` of them."""
        numbers = self.round_numbers(run_id, after, limit)
        with self._server.pipeline() as pipeline:
            for number in numbers:
                _request_summary(pipeline, run_id, number)
            answers = pipeline.execute()
        starts = range(0, len(answers), _ANSWERS_PER_SUMMARY)
        return [_summary(*answers[start : start + _ANSWERS_PER_SUMMARY]) for start in starts]

    def round_numbers(self, run_id: str, after: int | None = None, limit: int | None = None) -> Sequence[int]:
        """The numbers of the rounds that `round_summaries` gives with equal arguments."""
        numbers = self._round_numbers(run_id)
        return [number for number in numbers if after is None or number > after][:limit]

    def stragglers(self, run_id: str, number: int, count: int) -> Sequence[str]:
        """``count`` unsettled clients of the round, or all if there are fewer, in client order."""
        keys = round_keys(run_id, number)
        cursor = 0
        found = set[str]()
        while len(found) < count:  # a scan, since a read of the whole set would keep Redis busy for milliseconds
            with self._server.pipeline() as pipeline:
                pipeline.exists(keys.round)
                pipeline.sscan(keys.unsettled, cursor, count=20 * count)
                exists, (cursor, clients) = pipeline.execute()
            self._require_round(exists, run_id, number)
            found.update(clients)
            if cursor == 0:
                break
        return sorted(found)[:count]

    def events(self, run_id: str, after: str | None = None, limit: int = 1000) -> Sequence[RecordedEvent]:
        """The first ``limit`` events of the run's audit trail, oldest first, or those after the event with the id
        ``after``.
        """
        if after is not None:
            check_event_id(after)
        keys = run_keys(run_id)
        with self._server.pipeline() as pipeline:
            pipeline.exists(keys.run)
            pipeline.xrange(keys.events, min="-" if after is None else f"({after}", count=limit)
            exists, entries = pipeline.execute()
        self._require_run(exists, run_id)
        return [_recorded_event(entry_id, fields) for entry_id, fields in entries]

    def ping(self) -> None:
        """Check that the ledger answers, takes writes, and keeps them."""
        self._server.check()


def _request_summary(pipeline: Pipeline, run_id: str, number: int) -> None:
    """Add `_ANSWERS_PER_SUMMARY` commands to the pipeline. Their answers are the arguments of `_summary`."""
    keys = round_keys(run_id, number)
    pipeline.hget(keys.round, "record")
    pipeline.hlen(keys.members)
    pipeline.hlen(keys.accepted)
    pipeline.hlen(keys.failed)
    pipeline.scard(keys.unsettled)
    pipeline.scard(keys.late)


def _summary(record: str, invited: int, accepted: int, failed: int, unsettled: int, late: int) -> RoundSummary:
    return RoundSummary(read_versioned(RoundState, record), invited, accepted, failed, unsettled, late)


def _recorded_event(entry_id: str, fields: Mapping[str, str]) -> RecordedEvent:
    """The event of a stream entry. Its id begins with the server's milliseconds since the start of 1970.

    An entry that is not as the ledger writes them is the event `DAMAGED_EVENT`, so that the events after it are shown.
    """
    milliseconds = min(int(entry_id.split("-")[0]), _LAST_MILLISECOND)
    return readable_event(entry_id, from_microseconds(1000 * milliseconds), fields)
