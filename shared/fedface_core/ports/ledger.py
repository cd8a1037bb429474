"""The port of the ledger: the small shared state of runs and rounds. It has six parts, by what their users need.

`RunRecords`       the records of runs and rounds: control stores them, and every service loads them.
`DeletedRuns`      which runs were deleted, so that nothing takes their places.
`RoundSettlement`  which clients of a round have settled, and which partials are stored: clients and aggregators record
                   this, and control counts it.
`StepFailures`     how often a step has failed: every service records this, so that nothing is repeated for ever.
`RunViews`         what the API and the metrics read. It changes nothing.
`EventDeliveries`  how far the receivers of webhooks were told of what happened.

`RunLedger` has all of them. A function takes the narrowest part that it needs.

Every method raises `UnavailableError` if the ledger does not answer or cannot serve now, and `UnknownSchemaError` if another
version of FedFace wrote a record that the method reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from fedface_core.domain.cohort import Participation
from fedface_core.domain.deposit import Deposit, DepositReceipt
from fedface_core.domain.devices import Wait
from fedface_core.domain.failures import StepFailure
from fedface_core.domain.round import Round, RoundState, Tally
from fedface_core.domain.run import Run, RunPhase
from fedface_core.domain.update import AcceptedUpdate, Receipt
from fedface_core.ports.deleted_runs import DeletedRuns
from fedface_core.ports.step_failures import StepFailures


@dataclass(frozen=True)
class EndedRound:
    """A round that has ended, with the outcome of its clients. A manifest holds it, so that a ledger can be restored."""

    record: Round
    accepted: Mapping[str, AcceptedUpdate]
    """Client → its accepted update."""
    failed: Mapping[str, str]
    """Client → the reason why it sent no update."""


@dataclass(frozen=True)
class RoundSummary:
    """A round and the counts of its clients, without their names. It is as small for ten thousand clients as for ten."""

    round: RoundState
    invited: int
    accepted: int
    failed: int
    unsettled: int
    late: int
    """Clients whose update came too late. They are unsettled too. A restored ledger does not know them."""


@dataclass(frozen=True)
class RecordedEvent:
    """One line of a run's audit trail."""

    id: str
    """Two numbers, as in ``1700000000000-0``. Each event of a run has a greater id than the event before."""
    at: datetime
    """When the ledger recorded the event: an aware datetime in UTC."""
    name: str
    """What happened, such as ``round_opened``."""
    data: Mapping[str, str | int | float | None]
    """Details, such as the number of the round."""


class RunRecords(Protocol):
    """The records of runs and rounds."""

    def create(self, run: Run) -> None:
        """Store a new run, and the event ``run_created`` in its audit trail, which names its owner as the ``actor``.

        `WrongPhaseError` if the run's id is taken, or was that of a run which is deleted.
        """

    def require_room(self) -> None:
        """Check that the ledger has room for a new run, so that those it has can go on. `UnavailableError` if it has not."""

    def load(self, run_id: str) -> Run:
        """The run as it is stored now. `NotFoundError` if there is no such run."""

    def active_runs(self) -> Sequence[Run]:
        """The runs that have started and not ended, and the runs that are being deleted, oldest first.

        A run whose record cannot be read is logged and left out.
        """

    def load_round(self, run_id: str, number: int) -> Round:
        """The round with its cohort. `NotFoundError` if there is no such run, or the round was never opened."""

    def round_state(self, run_id: str, number: int) -> RoundState:
        """The round without its cohort, which is not read. `NotFoundError` as `load_round` raises it."""

    def rounds(self, run_id: str) -> Sequence[Round]:
        """All rounds of the run with their cohorts, in order. `NotFoundError` if there is no such run."""

    def save(
        self,
        run: Run,
        event: str,
        *,
        opened: Round | None = None,
        changed: Round | None = None,
        detail: Mapping[str, str | int | float | None] | None = None,
    ) -> Run:
        """Store a changed run, the round that it opened or changed (or both), and an event, in one atomic step.

        Compare-and-set: ``run.version`` is the version that was loaded. Returns the run with a version that is one higher.
        The event's data are the run's phase, its failure if it has one, the round's number and phase, and ``detail``.

        ``opened``: the whole cohort is unsettled from now on. An invitation is counted for each client of a training round,
        except carried clients. ``changed``: the ledger accepts no update any more if the round is neither open nor
        suspended. The round gets the deadline of its record. If it comes to a phase that waits for clients, as an open one
        does, its counts of attempts begin anew: neither a pause nor what was asked before counts. The failures of steps are
        forgotten: those of the ``changed`` round if its phase is another one, and those of the run itself if its phase is
        another one or the run has ended.

        A change that is the newest one stored is returned again: the answer to an earlier try was lost. Nothing is stored if
        an error is raised: `StaleVersionError` if the stored version is another one, since somebody else has changed the
        run; `NotFoundError` if there is no such run, or ``changed`` was never opened.
        """

    def record_event(
        self, run_id: str, event: str, data: Mapping[str, str | int | float | None], most: int | None = None
    ) -> bool:
        """Append an event to the run's audit trail; the run does not change. `NotFoundError` if there is no such run.

        False if the trail has ``most`` events already: then nothing is appended.
        """

    def restore(
        self,
        run: Run,
        rounds: Sequence[EndedRound],
        detail: Mapping[str, str | int | float | None] | None = None,
        *,
        replaces: int | None = None,
    ) -> None:
        """Store a run whose records were lost, its ended rounds, and the event ``run_restored`` with ``detail``.

        An interrupted call has stored no run. Calls may be repeated, also at once. ``replaces`` is the version of an older
        state of the run, which is removed first. `WrongPhaseError` if the ledger has the run otherwise, or has deleted it.
        """

    def delete(self, run_id: str) -> None:
        """Remove all records of a run. It is no error if there are none.

        The run's own record is removed last. So an interrupted call leaves the run, and can be repeated. Then its id is
        remembered for `DELETED_KEPT`: no run can be created or restored with it, so that what is still under way for the
        deleted run is never taken for another one's.
        """


class RoundSettlement(Protocol):
    """Which clients of a round have settled. A client settles once: its update is accepted, or it has failed.

    Deadlines are judged by the ledger's own time, `RunViews.now`. The clocks of its callers do not count.
    """

    def begin_attempt(self, run_id: str, number: int, client: str) -> int:
        """Count a delivery of the client's task in this round, and record activity. Returns the count, 1 at first.

        Returns 0, and records nothing, if the client must not start: the round waits for no clients (a suspended round does
        not), or the client is not invited or has settled. While a masked round is being unmasked, the clients whose updates
        were accepted may start instead. `NotFoundError` if there is no such run, or the round was never opened.
        """

    def begin_attempts(self, run_id: str, number: int, clients: Sequence[str]) -> Sequence[int]:
        """Count a delivery of the tasks of several clients, in one atomic step; return the counts, as `begin_attempt` does.

        They are those of the first clients, in order, and of one at least: the step ends before a client that may start and
        of which an attempt was counted before, unless no client before it may start, and after such a client. It may be what
        kills its worker, and would take the attempts of others with it. There is at least one client. `NotFoundError` if
        there is no such run, or the round was never opened.
        """

    def take_back_attempt(self, run_id: str, number: int, client: str) -> None:
        """Count one attempt of the client fewer, since what it needed was away. No count falls below 0.

        `NotFoundError` if there is no such run, or the round was never opened.
        """

    def begin_wait(self, run_id: str, number: int, client: str, wait: Wait, seconds: float) -> float:
        """Have a client wait for ``seconds`` from now, unless this wait of it has begun before in this round.

        Returns how many seconds are left by the ledger's time; 0 or less if the wait is over. `NotFoundError` if there is no
        such run, or the round was never opened.
        """

    def waits(self, run_id: str, number: int, client: str) -> Mapping[Wait, float]:
        """The waits of a client that have begun → how many seconds are left; 0 or less if it is over.

        `NotFoundError` if there is no such run, or the round was never opened.
        """

    def accept(self, run_id: str, number: int, client: str, update: AcceptedUpdate) -> Receipt:
        """Record the update of an invited client that has not settled, in one atomic step. Its failures are forgotten.

        An open round accepts updates before its deadline, one that was suspended while open at any time. Otherwise nothing
        changes, and the receipt gives the reason: not invited, duplicate (an update of the client was accepted already), or
        late (the round is not open, the deadline has passed, or the client has failed). The receipt of a duplicate also
        says whether shard and round are complete, so that a repeated task can publish a lost message again. `NotFoundError`
        if there is no such run, or the round was never opened.
        """

    def accept_all(self, run_id: str, number: int, updates: Mapping[str, AcceptedUpdate]) -> Receipt:
        """Record the updates of several invited clients of one shard, in one atomic step: all of them, or none.

        If one of them cannot be accepted, for the reasons that `accept` has, nothing changes, and the receipt gives the
        reason of the first such client, in client order. `NotFoundError` if there is no such run, or the round was never
        opened.
        """

    def fail(self, run_id: str, number: int, client: str, reason: str) -> Receipt:
        """Record that an invited client that has not settled will send no update, and why, in one atomic step. Failures of
        its attempts are forgotten.

        An open round records failures before its deadline, a suspended round and a masked round that is not open yet at any
        time. Otherwise nothing changes, and the receipt gives the reason: not invited, duplicate (an update of the client
        was accepted), or late (the round has closed, the deadline has passed, or the client has failed already).
        `NotFoundError` if there is no such run, or the round was never opened.
        """

    def record_deposit(self, run_id: str, number: int, kind: Deposit, client: str, sha256: str) -> DepositReceipt:
        """Record that a client has made a deposit, the SHA-256 of whose bytes is given, in one atomic step; and activity.

        A phase takes the deposits that it asks for (`fedface_core.domain.round_phase.DEPOSITS`) before its deadline, and at
        any time while it is suspended. Keys and bundles are taken of clients that have not settled, signatures and
        revelations of those whose updates were accepted. Otherwise nothing changes, and the receipt gives the reason: not
        invited, duplicate (the client has made a deposit of this kind, and the first one counts), or late. The receipt
        always says how many clients of the shard have made one, so that a repeated task can publish a lost message again.
        `NotFoundError` if there is no such run, or the round was never opened.
        """

    def deposits(self, run_id: str, number: int, kind: Deposit, clients: Iterable[str] | None = None) -> Mapping[str, str]:
        """Client → the SHA-256 of its deposit of this kind, in client order: of all clients, or of those in ``clients``.

        `NotFoundError` if there is no such run, or the round was never opened.
        """

    def record_late(self, run_id: str, number: int, client: str) -> None:
        """Record that the update of an invited client came too late to count in the round, and will not be sent again.

        The call may be repeated. It changes nothing if the client is not invited or has settled. `NotFoundError` if there is
        no such run, or the round was never opened.
        """

    def accepted(self, run_id: str, number: int, clients: Iterable[str] | None = None) -> Mapping[str, AcceptedUpdate]:
        """Client → its accepted update, in client order: of all clients, or of those in ``clients``.

        `NotFoundError` if there is no such run, or the round was never opened.
        """

    def accepted_clients(self, run_id: str, number: int) -> Sequence[str]:
        """The clients whose updates were accepted, in client order. They take less memory than their updates.

        `NotFoundError` if there is no such run, or the round was never opened.
        """

    def failed(self, run_id: str, number: int) -> Mapping[str, str]:
        """Client → why it will send no update, in client order.

        `NotFoundError` if there is no such run, or the round was never opened.
        """

    def record_partial(self, run_id: str, number: int, shard: int) -> bool:
        """Record that the shard's partial is stored, and activity. The shard's failures are forgotten. The call may be
        repeated.

        Returns whether the round can be reduced: it is not open, and the partial of every shard with an accepted update is
        recorded. `NotFoundError` if there is no such run, or the round was never opened.
        """

    def touch(self, run_id: str, number: int) -> None:
        """Record activity in the round: its commands were published now, so the sweep waits before it repeats them.

        `NotFoundError` if there is no such run, or the round was never opened.
        """

    def tally(self, run_id: str, number: int) -> Tally:
        """The progress of the round at one moment: counts, unsettled clients, folded shards and the last activity.

        In a masked round the accepted clients are of a moment later, so there may be more of them than the count says.
        `NotFoundError` if there is no such run, or the round was never opened.
        """

    def participation(self, run_id: str) -> Mapping[str, Participation]:
        """Client → its participation in the run's training rounds, in client order. Clients never invited are left out.

        `NotFoundError` if there is no such run.
        """


class RunViews(Protocol):
    """What the API and the metrics show of runs and rounds. No method changes anything."""

    def now(self) -> datetime:
        """The ledger's time, an aware datetime in UTC: the one clock by which all deadlines are set and judged."""

    def runs(self, limit: int | None = None, before: str | None = None) -> Sequence[Run]:
        """All runs, newest first; only runs older than the run ``before`` if that is given; the first ``limit`` of them.

        A run whose record cannot be read is logged and left out. `NotFoundError` if there is no run ``before``.
        """

    def unreadable_runs(self, limit: int | None = None, before: str | None = None) -> Mapping[str, str]:
        """Run → why its record cannot be read, of the runs that `runs` leaves out with equal arguments."""

    def run_phases(self) -> Sequence[RunPhase]:
        """The phase of every run, in no order. No record of a run is read."""

    def run_count(self) -> int:
        """How many runs the ledger has, whether their records can be read or not. The cost does not grow with them."""

    def known_runs(self, run_ids: Iterable[str]) -> Set[str]:
        """Those of the runs that the ledger has, whether their records can be read or not. No record is read."""

    def round_summary(self, run_id: str, number: int) -> RoundSummary:
        """The round and the counts of its clients at one moment. The cost does not grow with the cohort.

        `NotFoundError` if there is no such run, or the round was never opened.
        """

    def round_summaries(self, run_id: str, after: int | None = None, limit: int | None = None) -> Sequence[RoundSummary]:
        """All rounds of the run, in order, with the counts of their clients; only those with a number above ``after`` if
        that is given; the first ``limit`` of them. `NotFoundError` if there is no such run.
        """

    def round_numbers(self, run_id: str, after: int | None = None, limit: int | None = None) -> Sequence[int]:
        """The numbers of the rounds that `round_summaries` gives with equal arguments, whether these can be read or not.

        `NotFoundError` if there is no such run.
        """

    def stragglers(self, run_id: str, number: int, count: int) -> Sequence[str]:
        """``count`` unsettled clients of the round, or all if there are fewer, in client order.

        They are the first unsettled clients of a small cohort, and any of a large one. Repeated calls name the same clients
        until a client settles. `NotFoundError` if there is no such run, or the round was never opened.
        """

    def failures(self, run_id: str, number: int | None = None) -> Sequence[StepFailure]:
        """The failures of steps of the run itself, and of its round ``number`` if that is given: the newest first.

        Steps that failed at one moment are in the order of their names. Empty if there is no such run or round.
        """

    def events(self, run_id: str, after: str | None = None, limit: int = 1000) -> Sequence[RecordedEvent]:
        """The first ``limit`` events of the run's audit trail, oldest first, or those after the event with the id ``after``.

        `InvalidInputError` if ``after`` is no event id; `NotFoundError` if there is no such run.
        """

    def ping(self) -> None:
        """Check that the ledger answers, takes writes, and keeps them. Nothing is changed.

        `UnavailableError`, which says what is wrong, if it does not answer or takes no writes now; `EvictingLedgerError` if
        it may remove records when its memory is full.
        """


class EventDeliveries(Protocol):
    """How far the receivers of webhooks were told of the audit trails. A receiver has a name of its own."""

    def followed_runs(self, *, ended: bool) -> Sequence[str]:
        """The ids of runs of which events may come: those that have not ended, or only lately. With ``ended``, all."""

    def undelivered_runs(self, receiver: str, run_ids: Sequence[str]) -> Sequence[str]:
        """Those of the runs whose newest event the receiver was not told of.

        A receiver is told of what happens after it was first named here.
        """

    def undelivered_events(self, receiver: str, run_id: str, limit: int) -> Sequence[RecordedEvent]:
        """The first ``limit`` events of the run that the receiver was not told of, oldest first.

        `NotFoundError` if there is no such run.
        """

    def mark_delivered(self, receiver: str, run_id: str, event_id: str) -> None:
        """Record that the receiver was told of this event and those before it. Nothing if there is no such run."""


class RunLedger(RunRecords, DeletedRuns, RoundSettlement, StepFailures, RunViews, EventDeliveries, Protocol):
    """The whole ledger, as adapters implement it."""
