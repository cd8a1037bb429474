"""Combined delivery: the clients that a worker trains one after the other, or at once, are one object, their exact sum.

The sum of a shard's clients is put, their acceptance is recorded in one atomic step, all or none, and then what that
completes is published. If the worker is killed before, no client has settled, and all are trained again. A client whose
attempt is not its first one is delivered by itself, because something has killed the worker before: so a client that kills
its worker costs the others one attempt, and makes none of them fail.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import structlog

from fedface_client.attempt import Attempt
from fedface_client.invitation import Invitation
from fedface_client.make_updates import train_to_combine
from fedface_client.settle import publish_what_is_complete
from fedface_core.contracts import object_keys
from fedface_core.domain.update import AcceptedUpdate, RefusalReason, group_digest
from fedface_core.runtime.metrics import CLIENT_STEP_SECONDS, UPDATE_BYTES, UPDATES, ClientStep
from fedface_learning.aggregation import StartingPoint, TrainingPartial
from fedface_learning.updates.trained import TrainedUpdate
from fedface_worker.workbench import Workbench

log = structlog.get_logger(__name__)


@dataclass
class _Group:
    """The clients of one shard that have trained and are not delivered yet."""

    invitation: Invitation
    """That of its first client."""
    partial: TrainingPartial = field(default_factory=TrainingPartial)
    declared: dict[str, AcceptedUpdate] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
    """Those of its clients."""


class CombinedDelivery:
    """Trains the clients of a task, and delivers them together."""

    def __init__(self, workbench: Workbench) -> None:
        self._workbench = workbench
        self._start: StartingPoint | None = None
        self._shard_of: dict[str, int] = {}
        self._groups: dict[int, _Group] = {}

    def train(self, attempts: Sequence[Attempt]) -> None:
        """Train the clients of attempts that have begun, at once if the plan vectorises clients, and add what each
        contributes to the sum of its shard. A client on a later attempt must be the only one.

        A client whose data cannot be used is recorded as failed.
        """
        alone = any(attempt.number > 1 for attempt in attempts)
        if alone:
            self.deliver()
        for group in train_to_combine(attempts):
            self._add(group)
            del group  # its memory, before the next group takes as much
        if alone:
            self.deliver()

    def _add(self, trained: Sequence[tuple[Attempt, TrainedUpdate]]) -> None:
        of_shards: dict[int, dict[str, TrainedUpdate]] = {}
        for attempt, update in trained:
            invitation = attempt.invitation
            if self._start is None:
                self._start = _starting_point(self._workbench, invitation)
                self._shard_of = invitation.opened_round.shard_of_each()
            client = invitation.client_id
            group = self._groups.setdefault(self._shard_of[client], _Group(invitation))
            group.declared[client] = update.accepted
            group.attempts.append(attempt)
            of_shards.setdefault(self._shard_of[client], {})[client] = update
        for shard, updates in of_shards.items():
            assert self._start is not None, "there is an invitation"
            self._groups[shard].partial.fold_trained(updates, self._start)

    def deliver(self) -> None:
        """Put the sum of each shard's clients, have the acceptance of all of them recorded, and publish what is complete.

        An unexpected error is counted for each client that is not delivered then, and raised.
        """
        while self._groups:
            shard = next(reversed(self._groups))
            try:
                self._deliver(self._groups[shard])
            except Exception as error:
                for attempt in chain.from_iterable(group.attempts for group in self._groups.values()):
                    attempt.count_error(error)
                self._groups.clear()
                raise
            del self._groups[shard]

    def _deliver(self, group: _Group) -> None:
        ports = self._workbench.ports
        run_id = group.invitation.opened_round.run_id
        number = group.invitation.opened_round.number
        parts = group.partial.encoded_parts()
        hashed = hashlib.sha256()
        for part in parts:
            hashed.update(part)
        name = group_digest(group.declared)
        with CLIENT_STEP_SECONDS.labels(ClientStep.PUT).time():
            ports.artifacts.put(object_keys.combined_update(run_id, number, name), *parts, sha256=hashed.hexdigest())
        size = sum(map(len, parts))
        known = {"sha256": hashed.hexdigest(), "size": size, "group": name}
        updates = {client: declared.model_copy(update=known) for client, declared in group.declared.items()}
        with CLIENT_STEP_SECONDS.labels(ClientStep.RECORD).time():
            receipt = ports.ledger.accept_all(run_id, number, updates)
        refused = receipt.refused
        UPDATES.labels("refused" if refused else "accepted", refused or "").inc(len(updates))
        if refused is None:
            UPDATE_BYTES.labels(group.invitation.plan.update_encoding.name).inc(size)
            log.debug("updates_delivered", clients=len(updates), bytes=size)
        else:
            log.info("updates_refused", reason=refused, clients=len(updates))
            self._go_on_without(group, refused)
        publish_what_is_complete(ports, group.invitation, number, receipt)

    def _go_on_without(self, group: _Group, refused: RefusalReason) -> None:
        """One client of the group cannot settle, so none has. Those that came late are recorded as such; else they are asked
        again, one by one, since another task has settled some of them.
        """
        ports = self._workbench.ports
        run_id = group.invitation.opened_round.run_id
        number = group.invitation.opened_round.number
        if refused is RefusalReason.DUPLICATE:
            tasks = [replace(group.invitation, client_id=client).task for client in group.declared]
            ports.publisher.publish_all(tasks, correlation_id=group.invitation.correlation_id)
            return
        for client in group.declared:
            ports.ledger.record_late(run_id, number, client)


def _starting_point(workbench: Workbench, invitation: Invitation) -> StartingPoint:
    """What the clients of a round start from, as the aggregator sees it."""
    sha256 = invitation.opened_round.model_sha256
    return StartingPoint(invitation.plan, sha256, lambda: workbench.models.reference(sha256))
