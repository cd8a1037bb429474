"""The port of the ledger: the small shared state of runs and rounds, cut in three by who needs what.

`RunRecords`       runs and rounds, whole: whoever moves a run stores them, and every service loads them.
`RoundSettlement`  who of a round's cohort is done, and which partials are stored: clients and aggregators record it, and
                   control counts it.
`RunViews`         what those who look on read: the API, the metrics, the audit trail. It changes nothing.

`RunLedger` is all three; a function asks for the narrowest that serves it.

Beside the errors that a method names, each raises `UnavailableError` if the ledger does not answer or cannot serve now, and
`UnknownSchemaError` if it meets a record that another version of FedFace wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from fedface_core.domain.cohort import Participation
from fedface_core.domain.round import Round, RoundState, Tally
from fedface_core.domain.run import Run, RunPhase
from fedface_core.domain.update import AcceptedUpdate, Receipt


@dataclass(frozen=True)
class EndedRound:
    """A round that has ended, with what became of its clients: what its manifest holds, and a restored ledger needs."""

    record: Round
    accepted: Mapping[str, AcceptedUpdate]
    """Client → its update."""
    failed: Mapping[str, str]
    """Client → why it sent no update."""


@dataclass(frozen=True)
class RoundSummary:
    """A round and the counts of its clients, who are not named: as small for ten thousand clients as for ten."""

    round: RoundState
    invited: int
    accepted: int
    failed: int
    unsettled: int


@dataclass(frozen=True)
class RecordedEvent:
    """One line of a run's audit trail."""

    id: str
    """Two numbers, as in ``1700000000000-0``; it grows from event to event of a run."""
    at: datetime
    """When the ledger recorded it, in UTC with its zone."""
    name: str
    """What happened, such as ``round_opened``."""
    data: Mapping[str, str | int | float | None]
    """To what, and why."""


class RunRecords(Protocol):
    """Runs and rounds as they are stored."""

    def create(self, run: Run) -> None:
        """Store a new run, and the event ``run_created`` in its audit trail. `WrongPhaseError` if the id is taken."""

    def load(self, run_id: str) -> Run:
        """The run as it is stored now. `NotFoundError` if there is no such run."""

    def active_runs(self) -> Sequence[Run]:
        """The runs on which work goes on, oldest first: those that have started and not ended, and those being deleted.

        A run whose record cannot be read is logged and left out.
        """

    def load_round(self, run_id: str, number: int) -> Round:
        """The round with its cohort. `NotFoundError` if there is no such run, or the round was never opened."""

    def rounds(self, run_id: str) -> Sequence[Round]:
        """All of the run's rounds with their cohorts, in order. `NotFoundError` if there is no such run."""

    def save(
        self,
        run: Run,
        event: str,
        *,
        opened: Round | None = None,
        changed: Round | None = None,
        detail: Mapping[str, str | int | float | None] | None = None,
    ) -> Run:
        """Store a changed run, the round it opened or changed (or both), and an event, in one atomic step.

        Compare-and-set: ``run.version`` is the version that was loaded. Returns the run with its new version, one higher.
        The event's data hold the run's phase, its failure if it has one, the round's number and phase, and ``detail``.

        ``opened``: its whole cohort is unsettled from now on, and an invitation is counted for each client of a training
        round that is not carried over. ``changed``: in a round that is neither open nor suspended, acceptance has ended; an
        open one has the deadline that it says; and one that was suspended and is open again forgets its attempts, since its
        clients are asked once more through no fault of theirs.

        `StaleVersionError` if the stored version is another, since somebody else was faster; `NotFoundError` if there is no
        such run, or ``changed`` was never opened. Then nothing is stored.
        """

    def record_event(self, run_id: str, event: str, data: Mapping[str, str | int | float | None]) -> None:
        """Append an event to the run's audit trail; the run stays as it is. `NotFoundError` if there is no such run."""

    def restore(self, run: Run, rounds: Sequence[EndedRound]) -> None:
        """Store a run whose records were lost, its ended rounds, and the event ``run_restored``.

        `WrongPhaseError` if the ledger has the run. A call that was cut short has left no run, and can be repeated.
        """

    def delete(self, run_id: str) -> None:
        """Remove all records of a run; no error if there are none.

        The run itself goes last: after a call that was cut short it is still there, and the call can be repeated.
        """


class RoundSettlement(Protocol):
    """Who of a round's cohort is done. A client settles once: it is accepted, or it has failed.

    Moments (``now``) are those of the caller's clock, in UTC with their zone.
    """

    def begin_attempt(self, run_id: str, number: int, client: str, now: datetime) -> int:
        """Count one delivery of the client's task in this round, as activity: 1 for the first delivery.

        0, and nothing is counted, if there is nothing to do: the round is not open (suspended is not open), or the client
        is not invited or has settled. `NotFoundError` if there is no such run, or the round was never opened.
        """

    def accept(self, run_id: str, number: int, client: str, update: AcceptedUpdate, now: datetime) -> Receipt:
        """Record the update of an invited client that has not settled, in one atomic step: in an open round before its
        deadline, or in a suspended round at any time.

        Otherwise nothing changes and the receipt says why: not invited, duplicate (an update of the client was accepted
        already), or late (the round has closed, the deadline has passed, or the client has failed). The receipt of a
        duplicate says all the same whether shard and round are complete now, so that a task which is delivered again can
        repeat a message that got lost. `NotFoundError` if there is no such run, or the round was never opened.
        """

    def fail(self, run_id: str, number: int, client: str, reason: str, now: datetime) -> Receipt:
        """Record that an invited client that has not settled will send no update, and why, in one atomic step: in an open
        round before its deadline, or in a suspended round at any time.

        Otherwise nothing changes and the receipt says why: not invited, duplicate (an update of the client was accepted), or
        late (the round has closed, the deadline has passed, or the client has failed already). `NotFoundError` if there is
        no such run, or the round was never opened.
        """

    def accepted(self, run_id: str, number: int, clients: Iterable[str] | None = None) -> Mapping[str, AcceptedUpdate]:
        """The accepted updates by client, in client order: all, or those of ``clients`` that were accepted.

        `NotFoundError` if there is no such run, or the round was never opened.
        """

    def accepted_clients(self, run_id: str, number: int) -> Sequence[str]:
        """The clients whose updates were accepted, in client order: their names take less memory than their updates.

        `NotFoundError` if there is no such run, or the round was never opened.
        """

    def failed(self, run_id: str, number: int) -> Mapping[str, str]:
        """The clients that will send no update, each with the reason, in client order.

        `NotFoundError` if there is no such run, or the round was never opened.
        """

    def record_partial(self, run_id: str, number: int, shard: int, now: datetime) -> bool:
        """Record, as activity, that the shard's partial is stored; again is no error.

        True if the round can be reduced: it is not open any more, and each shard that has an accepted update has its
        partial recorded. `NotFoundError` if there is no such run, or the round was never opened.
        """

    def touch(self, run_id: str, number: int, now: datetime) -> None:
        """Note activity in the round: its commands were published now, and the sweep waits before it repeats them.

        `NotFoundError` if there is no such run, or the round was never opened.
        """

    def tally(self, run_id: str, number: int) -> Tally:
        """The round's counts, who is unsettled, which shards are folded, and when anything last happened: of one moment.

        `NotFoundError` if there is no such run, or the round was never opened.
        """

    def participation(self, run_id: str) -> Mapping[str, Participation]:
        """What each client has done in the run's training rounds, in client order; who was never invited is left out.

        `NotFoundError` if there is no such run.
        """


class RunViews(Protocol):
    """What is shown of runs and rounds to those who look on. Nothing here changes anything."""

    def runs(self, limit: int | None = None, before: str | None = None) -> Sequence[Run]:
        """Runs, newest first: all, or the newest ``limit``; if ``before`` names a run, only runs older than that one.

        A run whose record cannot be read is logged and left out. `NotFoundError` if there is no run ``before``.
        """

    def run_phases(self) -> Sequence[RunPhase]:
        """The phase of every run, in no order: to count runs without reading their records."""

    def round_summary(self, run_id: str, number: int) -> RoundSummary:
        """The round and the counts of its clients, of one moment, at a cost that does not grow with the cohort.

        `NotFoundError` if there is no such run, or the round was never opened.
        """

    def round_summaries(self, run_id: str) -> Sequence[RoundSummary]:
        """Each of the run's rounds, in order, with the counts of its clients. `NotFoundError` if there is no such run."""

    def stragglers(self, run_id: str, number: int, count: int) -> Sequence[str]:
        """Unsettled clients, in client order: ``count`` of them, or all if they are fewer.

        They are the first ones of a small cohort, and any of a large one; asked again while nobody settles, it names
        them again. `NotFoundError` if there is no such run, or the round was never opened.
        """

    def events(self, run_id: str, after: str | None = None, limit: int = 1000) -> Sequence[RecordedEvent]:
        """The run's audit trail, oldest event first, ``limit`` events at most: from its start, or after the event ``after``.

        `InvalidInputError` if ``after`` is no event id; `NotFoundError` if there is no such run.
        """

    def ping(self) -> None:
        """Return if the ledger answers; else `UnavailableError`, saying what is wrong."""


class RunLedger(RunRecords, RoundSettlement, RunViews, Protocol):
    """The whole ledger, as an adapter implements it and a service holds it."""
