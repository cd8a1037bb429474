"""The four ports through which the system touches the world. Each has one contract suite, in tests/contract, that every
adapter passes. Adapters map third-party errors to `UnavailableError` and the others named here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pydantic import BaseModel

from fedface_core.domain.cohort import Participation
from fedface_core.domain.round import Round, RoundState, Tally
from fedface_core.domain.run import Run, RunPhase
from fedface_core.domain.update import AcceptedUpdate, Receipt


@dataclass(frozen=True)
class RecordedEvent:
    """One line of a run's audit trail. ``id`` grows; ``name`` says what happened, ``data`` to what."""

    id: str
    at: datetime
    name: str
    data: Mapping[str, str | int | float | None]


@dataclass(frozen=True)
class EndedRound:
    """A round that has ended, with what became of its clients: what its manifest holds, and a restored ledger needs."""

    record: Round
    accepted: Mapping[str, AcceptedUpdate]
    failed: Mapping[str, str]


@dataclass(frozen=True)
class RoundGlance:
    """A round and its counts, without its clients: for those who look at it, at the same cost however many it has."""

    round: RoundState
    invited: int
    accepted: int
    failed: int
    unsettled: int


class RunLedger(Protocol):
    """The small shared state: runs, rounds, acceptances, audit trail."""

    def create(self, run: Run) -> None:
        """Store a new run and its `run_created` event. `WrongPhaseError` where the id is taken."""

    def load(self, run_id: str) -> Run:
        """The run. `NotFoundError` names an unknown id."""

    def runs(self, limit: int | None = None, before: str | None = None) -> Sequence[Run]:
        """Runs, newest first: all, or the newest ``limit``; those older than the run ``before`` only, where given.

        `NotFoundError` where there is no run ``before``.
        """

    def run_phases(self) -> Sequence[RunPhase]:
        """The phase of every run, in no order: to count them without reading their records."""

    def active_runs(self) -> Sequence[Run]:
        """The runs that have started and not ended, and those being deleted, oldest first: what the sweep looks at."""

    def save(
        self,
        run: Run,
        event: str,
        *,
        opened: Round | None = None,
        changed: Round | None = None,
        detail: Mapping[str, str | int | float | None] | None = None,
    ) -> Run:
        """Store a change of run (and of the round it opened or changed, or both) with its event, in one step.

        ``run.version`` is the version that was loaded; where the stored one differs, nothing is stored and
        `StaleVersionError` is raised. Returns the run with its new version. The event's data name the run's phase and
        the round's number and phase, and hold ``detail``. Opening a round makes its whole cohort unsettled and counts an
        invitation of each client that is not carried over; storing a round that is neither open nor suspended ends
        acceptance, and storing an open one sets its deadline. Reopening a suspended one forgets its attempts, since its
        clients are asked once more, through no fault of theirs.
        """

    def restore(self, run: Run, rounds: Sequence[EndedRound]) -> None:
        """Store a run whose records were lost, with its ended rounds, and a `run_restored` event.

        `WrongPhaseError` where the ledger has the run. Cut short, it has left no run, and can be repeated.
        """

    def delete(self, run_id: str) -> None:
        """Remove all records of a run; removing what is not there is no error. Cut short, the run itself is still there."""

    def participation(self, run_id: str) -> Mapping[str, Participation]:
        """What each client has done in the run's training rounds; clients never invited are left out."""

    def load_round(self, run_id: str, number: int) -> Round:
        """The round. `NotFoundError` where it was never opened."""

    def rounds(self, run_id: str) -> Sequence[Round]:
        """The run's rounds, in order."""

    def glance(self, run_id: str, number: int) -> RoundGlance:
        """The round and its counts, read in one step. `NotFoundError` where it was never opened."""

    def glances(self, run_id: str) -> Sequence[RoundGlance]:
        """The same of each of the run's rounds, in order. `NotFoundError` for an unknown run."""

    def stragglers(self, run_id: str, number: int, count: int) -> Sequence[str]:
        """``count`` unsettled clients, in client order; the first of all where they are few. Errors are those of `tally`."""

    def tally(self, run_id: str, number: int) -> Tally:
        """The round's counts. `NotFoundError` where it was never opened."""

    def begin_attempt(self, run_id: str, number: int, client: str, now: datetime) -> int:
        """Count one delivery of the client's task in this round: 1 for the first. Counts as activity.

        0, and nothing is counted, where there is nothing to do: the round is not open (suspended ones are not), or the
        client has settled.
        """

    def accept(self, run_id: str, number: int, client: str, update: AcceptedUpdate, now: datetime) -> Receipt:
        """Record the update of an invited, unsettled client in one step: in an open round before its deadline, or in a
        suspended round at any time.

        Otherwise nothing changes and the receipt says why: not invited, duplicate (accepted already), late (round
        closed, deadline passed, or the client had failed). The receipt of a duplicate carries the present
        ``shard_settled`` and ``round_ready`` all the same, so that a redelivered task can repeat a lost message.
        """

    def fail(self, run_id: str, number: int, client: str, reason: str, now: datetime) -> Receipt:
        """Record that an invited, unsettled client will send no update, with the reason; same receipt as `accept`."""

    def accepted(self, run_id: str, number: int, clients: Iterable[str] | None = None) -> Mapping[str, AcceptedUpdate]:
        """The accepted updates, in client order; of ``clients`` only, where given."""

    def accepted_clients(self, run_id: str, number: int) -> Sequence[str]:
        """Whose updates were accepted, in client order; without the updates, which take more memory than their names."""

    def failed(self, run_id: str, number: int) -> Mapping[str, str]:
        """Client → reason, in client order."""

    def record_partial(self, run_id: str, number: int, shard: int, now: datetime) -> bool:
        """Record that a shard's partial is stored. True where the round is closed and no accepted shard is unfolded."""

    def touch(self, run_id: str, number: int, now: datetime) -> None:
        """Note that the round's commands were published now, so that the sweep waits before it repeats them."""

    def note(self, run_id: str, event: str, data: Mapping[str, str | int | float | None]) -> None:
        """Append an event to the audit trail; the run stays as it is. `NotFoundError` for an unknown run."""

    def events(self, run_id: str, after: str | None = None, limit: int = 1000) -> Sequence[RecordedEvent]:
        """The audit trail after an event id (from the start where None), oldest first. `NotFoundError` for a run."""

    def ping(self) -> None:
        """`UnavailableError` where the ledger does not answer."""


class ArtifactStore(Protocol):
    """Objects by key. A put is atomic: a reader sees the old object, the new one or none, never a part.

    Keys are relative paths of letters, digits, ``-_./`` without empty, ``.`` or ``..`` segments; others are refused with
    `InvalidInputError`.
    """

    def put(self, key: str, *data: bytes | memoryview) -> None:
        """Store the object, given whole or in parts, replacing what was there."""

    def get(self, key: str) -> bytes:
        """The whole object. `ArtifactMissingError` names the key."""

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """``length`` bytes from ``start``; fewer at the object's end. `InvalidInputError` where start is past the end."""

    def read_into(self, key: str, start: int, buffer: bytearray | memoryview) -> int:
        """Copy the object's bytes from ``start`` on into ``buffer``, as many as both have; returns the object's size.

        Nothing is allocated for them. `ArtifactMissingError` names the key.
        """

    def size(self, key: str) -> int:
        """The object's size in bytes, without reading it. `ArtifactMissingError` where there is none."""

    def modified(self, key: str) -> datetime:
        """When the object was last put, in UTC with its zone. `ArtifactMissingError` where there is none."""

    def keys(self, prefix: str) -> Sequence[str]:
        """All keys that start with ``prefix``, sorted."""

    def delete(self, key: str) -> None:
        """Remove the object; removing what is not there is no error."""

    def delete_all(self, keys: Sequence[str]) -> None:
        """Remove many objects, in few requests where the store can; cut short, some of them are gone."""

    def ping(self) -> None:
        """`UnavailableError`, saying what is wrong, where the store does not answer or refuses us."""


class TaskPublisher(Protocol):
    """Puts commands on their queues. JSON, at least once, no answer."""

    def publish(self, command: BaseModel, *, correlation_id: str) -> None:
        """Publish one command by its route in `fedface_core.contracts.tasks.ROUTES`."""

    def publish_all(self, commands: Sequence[BaseModel], *, correlation_id: str) -> None:
        """Publish many, in order; one connection, pipelined where the broker can."""

    def queue_depth(self, queue: str) -> int:
        """How many messages wait in a queue."""


class Clock(Protocol):
    """The time, so that tests can set it."""

    def now(self) -> datetime:
        """The present moment, in UTC with its zone."""

    def sleep(self, seconds: float) -> None:
        """Return this many seconds later; at once for 0."""


@dataclass(frozen=True)
class Ports:
    """The four ports, as a service holds them."""

    ledger: RunLedger
    artifacts: ArtifactStore
    publisher: TaskPublisher
    clock: Clock
