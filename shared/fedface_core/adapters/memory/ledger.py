"""The ledger in memory, for tests and for services in one process."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime, timedelta

from fedface_core.adapters.audit_trail import EventData, check_event_id, creation_data, event_data
from fedface_core.adapters.memory.failures import counted
from fedface_core.adapters.memory.round import MemoryRound
from fedface_core.adapters.system_clock import SystemClock
from fedface_core.domain.cohort import Participation
from fedface_core.domain.devices import Wait
from fedface_core.domain.errors import NotFoundError, StaleVersionError, WrongPhaseError
from fedface_core.domain.failures import LONGEST_STORED_REASON, StepFailure, newest_first, shard_step
from fedface_core.domain.round import Round, RoundPhase, Tally
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.run import ENDED, Run, RunPhase
from fedface_core.domain.update import AcceptedUpdate, Receipt
from fedface_core.ports import Clock, EndedRound, RecordedEvent, RoundSummary


class MemoryLedger:
    """`RunLedger` in memory. Several threads may use it. ``clock``, by default the system's, is the ledger's time."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.RLock()
        self._runs: dict[str, Run] = {}
        self._rounds: dict[str, dict[int, MemoryRound]] = {}
        self._events: dict[str, list[RecordedEvent]] = {}
        # Run → step → its failures, of steps that belong to no round.
        self._failures: dict[str, dict[str, StepFailure]] = {}
        # Run → receiver of webhooks → id of the last event that it was told of; receiver → when it was first named.
        self._delivered: dict[str, dict[str, str]] = {}
        self._receivers: dict[str, datetime] = {}

    # RunRecords

    def create(self, run: Run) -> None:
        """Store a new run, and the event ``run_created`` in its audit trail."""
        with self._lock:
            if run.id in self._runs:
                raise WrongPhaseError(f"{run.id} exists already; a new run needs a new id")
            self._runs[run.id] = run
            self._rounds[run.id] = {}
            self._events[run.id] = []
            self._failures[run.id] = {}
            self._record(run.id, "run_created", creation_data(run))

    def load(self, run_id: str) -> Run:
        """The run as it is stored now."""
        with self._lock:
            if run_id not in self._runs:
                raise NotFoundError(f"there is no run {run_id}")
            return self._runs[run_id]

    def active_runs(self) -> Sequence[Run]:
        """The runs that have started and not ended, and the runs that are being deleted, oldest first."""
        return [run for run in reversed(self.runs()) if run.phase not in ENDED - {RunPhase.DELETING} | {RunPhase.CREATED}]

    def load_round(self, run_id: str, number: int) -> Round:
        """The round with its cohort."""
        with self._lock:
            return self._state(run_id, number).record

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
            if stored.version != run.version:
                raise StaleVersionError(f"{run.id} is at version {stored.version}, not {run.version}; load it again")
            saved = run.next_version()
            if changed is not None:  # before anything is stored: it raises an error if this round was never opened
                self._state(run.id, changed.number).change_to(changed)
            if stored.phase is not saved.phase or saved.phase in ENDED:
                self._failures[run.id].clear()
            self._runs[run.id] = saved
            if opened is not None:
                self._rounds[run.id][opened.number] = MemoryRound.opened(opened)
            self._record(run.id, event, event_data(saved, opened, changed, detail))
            return saved

    def record_event(self, run_id: str, event: str, data: EventData, most: int | None = None) -> bool:
        """Append an event to the run's audit trail, unless it has ``most`` events; the run does not change."""
        with self._lock:
            self.load(run_id)
            if most is not None and len(self._events[run_id]) >= most:
                return False
            self._record(run_id, event, dict(data))
            return True

    def restore(self, run: Run, rounds: Sequence[EndedRound], detail: EventData | None = None) -> None:
        """Store a run whose records were lost, its ended rounds, and the event ``run_restored`` with ``detail``."""
        with self._lock:
            if run.id in self._runs:
                raise WrongPhaseError(f"{run.id} is in the ledger: there is nothing to restore")
            self._runs[run.id] = run
            self._rounds[run.id] = {ended.record.number: MemoryRound.ended(ended) for ended in rounds}
            self._events[run.id] = []
            self._failures[run.id] = {}
            self._record(run.id, "run_restored", event_data(run, detail=detail))

    def delete(self, run_id: str) -> None:
        """Remove all records of a run."""
        with self._lock:
            for records in (self._runs, self._rounds, self._events, self._failures, self._delivered):
                records.pop(run_id, None)

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

    # RoundSettlement

    def begin_attempt(self, run_id: str, number: int, client: str) -> int:
        """Count a delivery of the client's task in this round, and record activity."""
        with self._lock:
            state = self._state(run_id, number)
            if state.record.phase is not RoundPhase.OPEN or client not in state.unsettled:
                return 0
            state.attempts[client] += 1
            state.last_activity = self._clock.now()
            return state.attempts[client]

    def take_back_attempt(self, run_id: str, number: int, client: str) -> None:
        """Count one attempt of the client fewer, since what it needed was away."""
        with self._lock:
            attempts = self._state(run_id, number).attempts
            if attempts[client] > 0:
                attempts[client] -= 1

    def begin_wait(self, run_id: str, number: int, client: str, wait: Wait, seconds: float) -> float:
        """Have a client's simulated device wait, unless this wait has begun before. Returns the seconds that are left."""
        with self._lock:
            now = self._clock.now()
            due = self._state(run_id, number).waits.setdefault((client, wait), now + timedelta(seconds=seconds))
            return (due - now).total_seconds()

    def waits(self, run_id: str, number: int, client: str) -> Mapping[Wait, float]:
        """The waits of a client that have begun, and how many seconds are left."""
        with self._lock:
            now = self._clock.now()
            waits = self._state(run_id, number).waits
            return {wait: (due - now).total_seconds() for (whose, wait), due in waits.items() if whose == client}

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

    def accept(self, run_id: str, number: int, client: str, update: AcceptedUpdate) -> Receipt:
        """Record the update of an invited client that has not settled, in one atomic step."""
        with self._lock:
            state = self._state(run_id, number)
            refused = state.refusal(client, self._clock.now())
            if refused is None:
                state.settle(client, self._clock.now())
                state.accepted[client] = update
            return state.receipt(client, refused)

    def accept_all(self, run_id: str, number: int, updates: Mapping[str, AcceptedUpdate]) -> Receipt:
        """Record the updates of several invited clients of one shard, in one atomic step: all of them, or none."""
        with self._lock:
            state = self._state(run_id, number)
            now = self._clock.now()
            for client in sorted(updates):
                if (refused := state.refusal(client, now)) is not None:
                    return state.receipt(client, refused)
            for client, update in updates.items():
                state.settle(client, now)
                state.accepted[client] = update
            return state.receipt(max(updates), None)

    def fail(self, run_id: str, number: int, client: str, reason: str) -> Receipt:
        """Record that an invited client that has not settled will send no update, and why, in one atomic step."""
        with self._lock:
            state = self._state(run_id, number)
            refused = state.refusal(client, self._clock.now())
            if refused is None:
                state.settle(client, self._clock.now())
                state.failed[client] = reason[:LONGEST_STORED_REASON]
            return state.receipt(client, refused)

    def record_late(self, run_id: str, number: int, client: str) -> None:
        """Record that the update of an invited client came too late to count in the round."""
        with self._lock:
            state = self._state(run_id, number)
            if client in state.unsettled:
                state.late.add(client)

    def accepted(self, run_id: str, number: int, clients: Iterable[str] | None = None) -> Mapping[str, AcceptedUpdate]:
        """Client → its accepted update, in client order: of all clients, or of those in ``clients``."""
        with self._lock:
            accepted = self._state(run_id, number).accepted
            wanted = accepted if clients is None else accepted.keys() & set(clients)
            return {client: accepted[client] for client in sorted(wanted)}

    def accepted_clients(self, run_id: str, number: int) -> Sequence[str]:
        """The clients whose updates were accepted, in client order."""
        with self._lock:
            return sorted(self._state(run_id, number).accepted)

    def failed(self, run_id: str, number: int) -> Mapping[str, str]:
        """Client → why it will send no update, in client order."""
        with self._lock:
            return dict(sorted(self._state(run_id, number).failed.items()))

    def record_partial(self, run_id: str, number: int, shard: int) -> bool:
        """Record that the shard's partial is stored, and activity."""
        with self._lock:
            state = self._state(run_id, number)
            state.folded.add(shard)
            state.failures.pop(shard_step(shard), None)
            state.last_activity = self._clock.now()
            return state.record.phase is not RoundPhase.OPEN and state.accepted_shards <= state.folded

    def touch(self, run_id: str, number: int) -> None:
        """Record activity in the round: its commands were published now, so the sweep waits before it repeats them."""
        with self._lock:
            self._state(run_id, number).last_activity = self._clock.now()

    def tally(self, run_id: str, number: int) -> Tally:
        """The progress of the round at one moment: counts, unsettled clients, folded shards and the last activity."""
        with self._lock:
            state = self._state(run_id, number)
            return Tally(
                accepted=len(state.accepted),
                failed=len(state.failed),
                late=len(state.late),
                unsettled=frozenset(state.unsettled),
                accepted_shards=frozenset(state.accepted_shards),
                folded_shards=frozenset(state.folded),
                last_activity=state.last_activity,
            )

    def participation(self, run_id: str) -> Mapping[str, Participation]:
        """Client → its participation in the run's training rounds, in client order."""
        with self._lock:
            self.load(run_id)
            trained = [state for state in self._rounds[run_id].values() if state.record.kind is RoundKind.TRAINING]
            invited = Counter(c for state in trained for c in state.record.cohort if c not in state.record.carried)
            accepted = Counter(client for state in trained for client in state.accepted)
            return {
                client: Participation(invited=count, accepted=accepted[client]) for client, count in sorted(invited.items())
            }

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

    def _state(self, run_id: str, number: int) -> MemoryRound:
        self.load(run_id)
        if number not in self._rounds[run_id]:
            raise NotFoundError(f"{run_id} has no round {number}")
        return self._rounds[run_id][number]

    def _record(self, run_id: str, name: str, data: EventData) -> None:
        events = self._events[run_id]
        events.append(RecordedEvent(id=f"{len(events) + 1}-0", at=self._clock.now(), name=name, data=data))
