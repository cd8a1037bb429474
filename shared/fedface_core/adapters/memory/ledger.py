"""The ledger in memory, for tests and for services in one process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime

from fedface_core.adapters.audit_trail import EventData, check_event_id, creation_data, event_data
from fedface_core.adapters.memory.failures import counted
from fedface_core.adapters.memory.round import MemoryRound
from fedface_core.adapters.memory.settlement import MemorySettlement
from fedface_core.domain.errors import StaleVersionError, WrongPhaseError
from fedface_core.domain.failures import StepFailure, newest_first
from fedface_core.domain.round import Round, RoundState
from fedface_core.domain.run import ENDED, Run, RunPhase
from fedface_core.ports import DELETED_KEPT, LEFTOVERS_AT_ONCE, EndedRound, RecordedEvent, RoundSummary


class MemoryLedger(MemorySettlement):
    """`RunLedger` in memory. Several threads may use it. ``clock``, by default the system's, is the ledger's time."""

    # RunRecords

    def create(self, run: Run) -> None:
        """Store a new run, and the event ``run_created`` in its audit trail."""
        with self._lock:
            if run.id in self._runs:
                raise WrongPhaseError(f"{run.id} exists already; a new run needs a new id")
            if run.id in self._deleted:
                raise WrongPhaseError(f"{run.id} was deleted; a new run needs a new id")
            self._runs[run.id] = run
            self._rounds[run.id] = {}
            self._events[run.id] = []
            self._failures[run.id] = {}
            self._record(run.id, "run_created", creation_data(run))

    def active_runs(self) -> Sequence[Run]:
        """The runs that have started and not ended, and the runs that are being deleted, oldest first."""
        return [run for run in reversed(self.runs()) if run.phase not in ENDED - {RunPhase.DELETING} | {RunPhase.CREATED}]

    def load_round(self, run_id: str, number: int) -> Round:
        """The round with its cohort."""
        with self._lock:
            return self._state(run_id, number).record

    def round_state(self, run_id: str, number: int) -> RoundState:
        """The round without its cohort, which is not read."""
        with self._lock:
            return self._state(run_id, number).summary.round

    def rounds(self, run_id: str) -> Sequence[Round]:
        """All rounds of the run with their cohorts, in order."""
        with self._lock:
            self.load(run_id)
            return [state.record for _, state in sorted(self._rounds[run_id].items())]

    def save(
        self,
        run: Run,
        event: str,
        *,
        opened: Round | None = None,
        changed: Round | None = None,
        detail: EventData | None = None,
    ) -> Run:
        """Store a changed run, the round that it opened or changed (or both), and an event, in one atomic step."""
        with self._lock:
            stored = self.load(run.id)
            saved = run.next_version()
            if stored.version != run.version:
                if stored == saved and self._has(run.id, opened) and self._has(run.id, changed):
                    return saved  # an earlier try has stored this change, and the caller never knew
                raise StaleVersionError(f"{run.id} is at version {stored.version}, not {run.version}; load it again")
            if changed is not None:  # before anything is stored: it raises an error if this round was never opened
                self._state(run.id, changed.number).change_to(changed)
            if stored.phase is not saved.phase or saved.phase in ENDED:
                self._failures[run.id].clear()
            self._runs[run.id] = saved
            if opened is not None:
                self._rounds[run.id][opened.number] = MemoryRound.opened(opened)
            self._record(run.id, event, event_data(saved, opened, changed, detail))
            return saved

    def _has(self, run_id: str, record: Round | None) -> bool:
        """Whether the round is stored with just this record, if there is one."""
        rounds = self._rounds[run_id]
        return record is None or (record.number in rounds and rounds[record.number].record == record)

    def record_event(self, run_id: str, event: str, data: EventData, most: int | None = None) -> bool:
        """Append an event to the run's audit trail, unless it has ``most`` events; the run does not change."""
        with self._lock:
            self.load(run_id)
            if most is not None and len(self._events[run_id]) >= most:
                return False
            self._record(run_id, event, dict(data))
            return True

    def restore(
        self, run: Run, rounds: Sequence[EndedRound], detail: EventData | None = None, *, replaces: int | None = None
    ) -> None:
        """Store a run whose records were lost, its ended rounds, and the event ``run_restored`` with ``detail``."""
        with self._lock:
            if run.id in self._runs and self._runs[run.id].version == replaces:
                self.lose(run.id)
            if run.id in self._runs:
                raise WrongPhaseError(f"{run.id} is in the ledger: there is nothing to restore")
            if run.id in self._deleted:
                raise WrongPhaseError(f"{run.id} was deleted: it is not restored")
            self._runs[run.id] = run
            self._rounds[run.id] = {ended.record.number: MemoryRound.ended(ended) for ended in rounds}
            self._events[run.id] = []
            self._failures[run.id] = {}
            self._record(run.id, "run_restored", event_data(run, detail=detail))

    def delete(self, run_id: str) -> None:
        """Remove all records of a run."""
        with self._lock:
            if run_id not in self._runs:
                return
            self.lose(run_id)
            now = self._clock.now()
            kept = {run: at for run, at in self._deleted.items() if at >= now - DELETED_KEPT}
            self._deleted = kept | {run_id: now}
            self._leftovers.add(run_id)

    def lose(self, run_id: str) -> None:
        """Forget a run, as a server does that loses what it has stored: nobody knows that there was such a run."""
        with self._lock:
            for records in (self._runs, self._rounds, self._events, self._failures, self._delivered, self._deleted):
                records.pop(run_id, None)
            self._leftovers.discard(run_id)

    def was_deleted(self, run_id: str) -> bool:
        """Whether a run with this id was deleted lately."""
        with self._lock:
            return run_id in self._deleted

    def leftovers(self, before: datetime) -> Sequence[str]:
        """The first runs that were deleted before this time, and in whose folders objects may lie that came late."""
        with self._lock:
            found = [run_id for run_id in self._deleted if run_id in self._leftovers and self._deleted[run_id] < before]
        return sorted(found, key=lambda run_id: (self._deleted[run_id], run_id))[:LEFTOVERS_AT_ONCE]

    def forget_leftovers(self, run_id: str) -> None:
        """Record that nothing is left of a deleted run."""
        with self._lock:
            self._leftovers.discard(run_id)

    # EventDeliveries

    def followed_runs(self, *, ended: bool) -> Sequence[str]:
        """The ids of runs of which events may come."""
        with self._lock:
            return [
                run.id for run in self._runs.values() if ended or run.phase not in ENDED or run.phase is RunPhase.DELETING
            ]

    def undelivered_runs(self, receiver: str, run_ids: Sequence[str]) -> Sequence[str]:
        """Those of the runs whose newest event the receiver was not told of."""
        with self._lock:
            self._receivers.setdefault(receiver, self._clock.now())
        return [run_id for run_id in run_ids if self._undelivered(receiver, run_id)]

    def undelivered_events(self, receiver: str, run_id: str, limit: int) -> Sequence[RecordedEvent]:
        """The first ``limit`` events of the run that the receiver was not told of, oldest first."""
        with self._lock:
            self.load(run_id)
            return self._undelivered(receiver, run_id)[:limit]

    def mark_delivered(self, receiver: str, run_id: str, event_id: str) -> None:
        """Record that the receiver was told of this event and those before it."""
        with self._lock:
            if run_id in self._runs:
                self._delivered.setdefault(run_id, {})[receiver] = event_id

    def _undelivered(self, receiver: str, run_id: str) -> list[RecordedEvent]:
        with self._lock:
            since = self._receivers.setdefault(receiver, self._clock.now())
            told = self._delivered.get(run_id, {}).get(receiver)
            events = self._events.get(run_id, [])
            if told is None:
                return [event for event in events if event.at >= since]
            places = [event.id for event in events]
            return events[places.index(told) + 1 :]

    # StepFailures

    def record_failure(self, run_id: str, number: int | None, step: str, reason: str) -> StepFailure:
        """Count a failure of a step, in one atomic step, and return how often the step has failed."""
        with self._lock:
            self.load(run_id)
            failures = self._failures[run_id] if number is None else self._state(run_id, number).failures
            return counted(failures, step, reason, self._clock.now())

    def forget_failures(self, run_id: str, number: int | None, step: str) -> None:
        """Forget the failures of a step, since it has succeeded."""
        with self._lock:
            self._failures_of(run_id, number).pop(step, None)

    # RunViews

    def now(self) -> datetime:
        """The ledger's time, an aware datetime in UTC: the one clock by which all deadlines are set and judged."""
        return self._clock.now()

    def runs(self, limit: int | None = None, before: str | None = None) -> Sequence[Run]:
        """All runs, newest first; only runs older than the run ``before`` if that is given; the first ``limit`` of them."""
        with self._lock:
            newest_first = sorted(self._runs.values(), key=lambda run: (run.created_at, run.id), reverse=True)
            first = 0 if before is None else newest_first.index(self.load(before)) + 1
            return newest_first[first:] if limit is None else newest_first[first : first + limit]

    def unreadable_runs(self, limit: int | None = None, before: str | None = None) -> Mapping[str, str]:
        """None: this ledger keeps runs, and not their JSON."""
        self.runs(limit, before)
        return {}

    def run_phases(self) -> Sequence[RunPhase]:
        """The phase of every run, in no order."""
        with self._lock:
            return [run.phase for run in self._runs.values()]

    def run_count(self) -> int:
        """How many runs the ledger has, whether their records can be read or not."""
        with self._lock:
            return len(self._runs)

    def known_runs(self, run_ids: Iterable[str]) -> Set[str]:
        """Those of the runs that the ledger has, whether their records can be read or not."""
        with self._lock:
            return self._runs.keys() & set(run_ids)

    def round_summary(self, run_id: str, number: int) -> RoundSummary:
        """The round and the counts of its clients at one moment."""
        with self._lock:
            return self._state(run_id, number).summary

    def round_summaries(self, run_id: str, after: int | None = None, limit: int | None = None) -> Sequence[RoundSummary]:
        """All rounds of the run, in order, with the counts of their clients; those above ``after``; ``limit`` of them."""
        with self._lock:
            return [self._rounds[run_id][number].summary for number in self.round_numbers(run_id, after, limit)]

    def round_numbers(self, run_id: str, after: int | None = None, limit: int | None = None) -> Sequence[int]:
        """The numbers of the rounds that `round_summaries` gives with equal arguments."""
        with self._lock:
            self.load(run_id)
            numbers = sorted(self._rounds[run_id])
            return [number for number in numbers if after is None or number > after][:limit]

    def stragglers(self, run_id: str, number: int, count: int) -> Sequence[str]:
        """``count`` unsettled clients of the round, or all if there are fewer, in client order."""
        with self._lock:
            return sorted(self._state(run_id, number).unsettled)[:count]

    def failures(self, run_id: str, number: int | None = None) -> Sequence[StepFailure]:
        """The failures of steps of the run itself, and of its round ``number`` if that is given: the newest first."""
        with self._lock:
            of_round = {} if number is None else self._failures_of(run_id, number)
            return newest_first([*self._failures_of(run_id, None).values(), *of_round.values()])

    def events(self, run_id: str, after: str | None = None, limit: int = 1000) -> Sequence[RecordedEvent]:
        """The first ``limit`` events of the run's audit trail, oldest first, or those after the event with the id
        ``after``.
        """
        if after is not None:
            check_event_id(after)
        with self._lock:
            self.load(run_id)
            first = 0 if after is None else int(after.split("-")[0])
            return self._events[run_id][first : first + limit]

    def require_room(self) -> None:
        """Check that there is room for a new run. In memory there always is."""

    def ping(self) -> None:
        """Check that the ledger answers, takes writes, and keeps them. Memory always does."""

    def _failures_of(self, run_id: str, number: int | None) -> dict[str, StepFailure]:
        """Step → its failures, of the run itself or of one of its rounds. Empty if there is no such run or round."""
        if number is None:
            return self._failures.get(run_id, {})
        state = self._rounds.get(run_id, {}).get(number)
        return state.failures if state else {}
