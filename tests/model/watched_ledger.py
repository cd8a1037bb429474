"""A ledger in memory that checks each of its changes against what may never happen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta

from fedface_core.adapters.audit_trail import EventData
from fedface_core.adapters.memory import MemoryLedger
from fedface_core.contracts import object_keys
from fedface_core.contracts.manifest import Manifest
from fedface_core.domain.round import ENDED_ROUND, Round, RoundPhase
from fedface_core.domain.run import ENDED, Run, RunPhase
from fedface_core.domain.update import AcceptedUpdate, Receipt, RefusalReason
from fedface_core.ports import ArtifactStore, Clock, EndedRound
from model.arithmetic import folded_in

_CREATED = RunPhase.CREATED
_PREPARING = RunPhase.PREPARING
_RUNNING = RunPhase.RUNNING
_PAUSING = RunPhase.PAUSING
_PAUSED = RunPhase.PAUSED
_COMPLETED = RunPhase.COMPLETED
_FAILED = RunPhase.FAILED
_CANCELLED = RunPhase.CANCELLED

# Phase of a run → the phases that may follow. A run that has ended can only be deleted.
RUN_EDGES: Mapping[RunPhase, frozenset[RunPhase]] = {
    _CREATED: frozenset({_PREPARING, _CANCELLED, RunPhase.DELETING}),
    _PREPARING: frozenset({_RUNNING, _PAUSING, _PAUSED, _FAILED, _CANCELLED}),
    _RUNNING: frozenset({_PAUSING, _PAUSED, _COMPLETED, _FAILED, _CANCELLED}),
    _PAUSING: frozenset({_PREPARING, _RUNNING, _PAUSED, _COMPLETED, _FAILED, _CANCELLED}),
    _PAUSED: frozenset({_PREPARING, _RUNNING, _FAILED, _CANCELLED}),
    _COMPLETED: frozenset({RunPhase.DELETING}),
    _FAILED: frozenset({RunPhase.DELETING}),
    _CANCELLED: frozenset({RunPhase.DELETING}),
    RunPhase.DELETING: frozenset(),
}

# Phase of a round → the phases that may follow. A round only goes forward, except that a suspended one opens again.
ROUND_EDGES: Mapping[RoundPhase, frozenset[RoundPhase]] = {
    RoundPhase.OPEN: frozenset({RoundPhase.SUSPENDED, RoundPhase.AGGREGATING, RoundPhase.ABANDONED}),
    RoundPhase.SUSPENDED: frozenset({RoundPhase.OPEN, RoundPhase.ABANDONED}),
    RoundPhase.AGGREGATING: frozenset({RoundPhase.EVALUATING, RoundPhase.ABANDONED}),
    RoundPhase.EVALUATING: frozenset({RoundPhase.FINISHED, RoundPhase.ABANDONED}),
    RoundPhase.FINISHED: frozenset(),
    RoundPhase.ABANDONED: frozenset(),
}

_TAKES_UPDATES = frozenset({RoundPhase.OPEN, RoundPhase.SUSPENDED})
_NEVER_CHANGE = (
    *("run_id", "number", "cohort", "shard_size", "quorum", "minimum", "opened_at", "base"),
    *("model_sha256", "identity_list_sha256"),
)


class WatchedLedger(MemoryLedger):
    """A ledger that checks every change as it is stored."""

    def __init__(self, clock: Clock, artifacts: ArtifactStore) -> None:
        super().__init__(clock)
        self._watch_clock = clock
        self._artifacts = artifacts
        # Run and number of a closed round → its accepted set.
        self.frozen: dict[tuple[str, int], Mapping[str, AcceptedUpdate]] = {}
        self.used_keys: defaultdict[str, set[str]] = defaultdict(set)

    def save(
        self,
        run: Run,
        event: str,
        *,
        opened: Round | None = None,
        changed: Round | None = None,
        detail: EventData | None = None,
    ) -> Run:
        """Store the change if it may happen."""
        before = self.load(run.id)
        round_before = self.load_round(run.id, changed.number) if changed else None
        deadline_passed = round_before is not None and self._watch_clock.now() > round_before.deadline_at
        saved = super().save(run, event, opened=opened, changed=changed, detail=detail)
        if saved == before:  # the change was stored already: an earlier try's answer was lost
            return saved
        assert saved.version == before.version + 1, "a change was stored over another one"
        assert saved.phase is before.phase or saved.phase in RUN_EDGES[before.phase], f"{before.phase} → {saved.phase}"
        self._check_run(before, saved, event)
        if opened is not None:
            self._check_opened(before, saved, opened)
        if round_before is not None and changed is not None:
            because = (detail or {}).get("because") if event == "round_closed" else None
            self._check_changed(round_before, changed, because, deadline_passed=deadline_passed)
            if changed.phase in ENDED_ROUND:
                self._check_manifest(saved, changed)
        if before.phase is _PAUSED and saved.phase is _PAUSED:
            going_on = changed is None or changed.phase not in {RoundPhase.OPEN, RoundPhase.AGGREGATING}
            assert opened is None, f"{event}, while it is paused"
            assert going_on, f"{event}, while it is paused"
        return saved

    def accept(self, run_id: str, number: int, client: str, update: AcceptedUpdate) -> Receipt:
        """Accept if that may be."""
        before = dict(self.accepted(run_id, number))
        receipt = super().accept(run_id, number, client, update)
        after = dict(self.accepted(run_id, number))
        if receipt.refused:
            assert after == before
            return receipt
        self._check_settled(run_id, number, client)
        assert client not in before
        assert after == {client: update} | before
        return receipt

    def fail(self, run_id: str, number: int, client: str, reason: str) -> Receipt:
        """Fail the client if that may be."""
        receipt = super().fail(run_id, number, client, reason)
        if not receipt.refused:
            self._check_settled(run_id, number, client)
        return receipt

    def restore(
        self, run: Run, rounds: Sequence[EndedRound], detail: EventData | None = None, *, replaces: int | None = None
    ) -> None:
        """Restore, and take the ended rounds' accepted sets for final."""
        super().restore(run, rounds, detail, replaces=replaces)
        self.frozen |= {(run.id, ended.record.number): dict(ended.accepted) for ended in rounds}
        self.used_keys[run.id] = set(run.requests)
        self.check(run.id)

    def delete(self, run_id: str) -> None:
        """Delete what was being deleted."""
        assert run_id not in {run.id for run in self.runs()} or self.load(run_id).phase is RunPhase.DELETING
        super().delete(run_id)

    def check(self, run_id: str) -> None:
        """Check what must hold at any moment."""
        run = self.load(run_id)
        rounds = self.rounds(run_id)
        if run.phase is not RunPhase.DELETING:
            self._check_kept(run, rounds)
        for current in rounds:
            accepted = self.accepted(run_id, current.number)
            failed = self.failed(run_id, current.number)
            tally = self.tally(run_id, current.number)
            settled = accepted.keys() | failed.keys()
            assert not accepted.keys() & failed.keys(), "a client has settled twice"
            assert settled | tally.unsettled == set(current.cohort), "a client got lost, or came uninvited"
            assert not settled & tally.unsettled
            assert (tally.accepted, tally.failed) == (len(accepted), len(failed)), "counted wrongly"
            frozen = self.frozen.get((run_id, current.number))
            assert (frozen is None) is (current.phase in _TAKES_UPDATES)
            assert frozen is None or frozen == accepted, f"round {current.number} was closed, and has other updates now"
            if current.phase in ENDED_ROUND and run.phase is not RunPhase.DELETING:
                manifest = self._manifest(current)
                assert manifest.round == current, "the manifest tells of another round's end than the ledger"

    def _check_run(self, before: Run, saved: Run, event: str) -> None:
        rounds = self.rounds(saved.id)
        finished = [done.number for done in rounds if done.phase is RoundPhase.FINISHED]
        assert saved.finished_rounds == sum(number > 0 for number in finished) <= saved.plan.rounds
        assert saved.base_round == (finished[-1] if finished else None)
        assert saved.round == (rounds[-1].number if rounds else None)
        retries = saved.plan.cohort.retries
        assert saved.abandoned_in_a_row <= retries + 1
        assert saved.abandoned_in_a_row <= retries or saved.phase in ENDED, "it has been given up too often to go on"
        assert (saved.ended_at is not None) is (
            saved.phase in ENDED - {RunPhase.DELETING}
        ) or saved.phase is RunPhase.DELETING
        assert (saved.paused_at is not None) is (saved.phase is _PAUSED) or saved.phase in ENDED
        resumed = before.phase is _PAUSED and saved.phase in {_PREPARING, _RUNNING}
        pause = (
            max(0.0, (self._watch_clock.now() - before.paused_at).total_seconds()) if resumed and before.paused_at else 0.0
        )
        assert saved.paused_seconds == before.paused_seconds + pause
        assert saved.phase is not _COMPLETED or saved.stopped_because
        assert saved.plan is before.plan or saved.plan == before.plan
        new = saved.requests.keys() - before.requests.keys()
        assert not new & self.used_keys[saved.id], "one idempotency key had two effects"
        self.used_keys[saved.id] |= new
        assert self.events(saved.id)[-1].name == event
        if saved.updates_kept_from > before.updates_kept_from:
            for number in range(saved.updates_kept_from):
                assert not any(self._artifacts.keys(prefix) for prefix in object_keys.transient_prefixes(saved.id, number))

    def _check_opened(self, before: Run, saved: Run, opened: Round) -> None:
        assert saved.phase is _RUNNING, f"round {opened.number} was opened while the run is {saved.phase}"
        earlier = [done for done in self.rounds(saved.id) if done.number != opened.number]
        assert [done.number for done in earlier] == list(range(opened.number))
        assert all(done.phase in ENDED_ROUND for done in earlier), "two rounds at once"
        assert before.finished_rounds < before.plan.rounds
        assert (saved.id, opened.number) not in self.frozen, "a closed round was opened again"
        assert opened.phase is RoundPhase.OPEN
        assert opened.deadline_at == self._watch_clock.now() + timedelta(seconds=saved.plan.cohort.deadline_seconds)
        finished = [done for done in earlier if done.phase is RoundPhase.FINISHED]
        if not finished:
            assert (opened.number, opened.base, opened.model_sha256) == (0, None, saved.model_sha256)
            return
        newest = finished[-1]
        assert newest.aggregation is not None
        came_to = (newest.number, newest.aggregation.model_sha256, newest.aggregation.class_embeddings_sha256)
        assert (opened.base, opened.model_sha256, opened.class_embeddings_sha256) == came_to
        enrolment = earlier[0].aggregation
        assert enrolment is not None
        enrolled = self.accepted(saved.id, 0).keys() - enrolment.refused.keys()
        assert set(opened.cohort) <= enrolled
        clients = saved.plan.split.clients
        assert len(set(opened.cohort)) == len(opened.cohort) == min(saved.plan.cohort.invited(clients), len(enrolled))
        assert opened.quorum == min(saved.plan.cohort.quorum_for(clients), len(opened.cohort))

    def _check_changed(self, old: Round, new: Round, because: object, *, deadline_passed: bool) -> None:
        assert new.phase is old.phase or new.phase in ROUND_EDGES[old.phase], f"{old.phase} → {new.phase}"
        assert all(getattr(old, name) == getattr(new, name) for name in _NEVER_CHANGE)
        reopened = (old.phase, new.phase) == (RoundPhase.SUSPENDED, RoundPhase.OPEN)
        pause = (
            max(timedelta(), self._watch_clock.now() - old.suspended_at) if reopened and old.suspended_at else timedelta()
        )
        assert new.deadline_at - old.deadline_at == pause, "the deadline moves by the pause, and by nothing else"
        assert old.aggregation is None or new.aggregation == old.aggregation
        place = (new.run_id, new.number)
        accepted = self.accepted(new.run_id, new.number)
        if old.phase in _TAKES_UPDATES and new.phase not in _TAKES_UPDATES:
            self.frozen[place] = dict(accepted)
        if new.phase is RoundPhase.AGGREGATING and old.phase is RoundPhase.OPEN:
            unsettled = self.tally(new.run_id, new.number).unsettled
            good = {
                "settled": len(accepted) >= new.quorum or not unsettled,
                "deadline": deadline_passed,
                "operator": len(accepted) >= new.minimum,
            }
            assert good[str(because)], f"closed because {because}, with {len(accepted)} updates of {new.quorum}"
        if new.aggregation is not None:
            model = self._artifacts.get(object_keys.model(new.aggregation.model_sha256))
            folded = {c: update.sha256 for c, update in accepted.items() if c not in new.aggregation.refused}
            assert folded_in(model) == folded, "the model version is not the average of the accepted set"
            assert RefusalReason.MISSING not in new.aggregation.refused.values(), "an update was removed too early"
            assert len(folded) >= new.minimum
        if new.phase is RoundPhase.FINISHED:
            assert (new.scores is None) is False or new.skip_evaluation, "finished without scores, and nobody asked for that"

    def _check_manifest(self, saved: Run, ended: Round) -> None:
        manifest = self._manifest(ended)
        assert manifest.run == saved
        assert manifest.round == ended
        accepted = self.accepted(saved.id, ended.number)
        failed = self.failed(saved.id, ended.number)
        if ended.closed_at is None:  # given up while open: a client may have settled since the manifest was put
            assert manifest.accepted.items() <= accepted.items()
            assert manifest.failed.items() <= failed.items()
        else:
            assert (manifest.accepted, manifest.failed) == (accepted, failed)

    def _manifest(self, ended: Round) -> Manifest:
        key = object_keys.manifest(ended.run_id, ended.number)
        assert key in self._artifacts.keys(key), "a round ended without a manifest"
        return Manifest.model_validate_json(self._artifacts.get(key))

    def _check_settled(self, run_id: str, number: int, client: str) -> None:
        now = self._watch_clock.now()
        current = self.load_round(run_id, number)
        assert client in current.cohort
        assert current.phase is RoundPhase.SUSPENDED or (current.phase is RoundPhase.OPEN and now < current.deadline_at)
        assert (run_id, number) not in self.frozen

    def _check_kept(self, run: Run, rounds: Sequence[Round]) -> None:
        """Retention has removed nothing that is still needed."""
        keys = set(self._artifacts.keys(""))
        needed = {object_keys.run(run.id)}
        if run.model_sha256 is not None:
            needed.add(object_keys.model(run.model_sha256))
        keep = run.plan.retention.rounds_of_updates
        newest_ended = max((done.number for done in rounds if done.phase in ENDED_ROUND), default=-1)
        for current in rounds:
            if current.phase in ENDED_ROUND:
                needed.add(object_keys.manifest(run.id, current.number))
            if current.aggregation is not None:
                needed.add(object_keys.model(current.aggregation.model_sha256))
                needed.add(object_keys.class_embeddings(run.id, current.aggregation.class_embeddings_sha256 or ""))
            if current.number > newest_ended - keep:
                accepted = self.accepted(run.id, current.number)
                needed |= {object_keys.update(run.id, current.number, client) for client in accepted}
        assert needed <= keys, f"missing: {needed - keys}"
