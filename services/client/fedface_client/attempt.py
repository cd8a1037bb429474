"""One attempt of one client in one round: count it, make the update, put the update and have its acceptance recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Final, Self, TypeVar

import structlog
from pydantic import ValidationError

from fedface_client.device import Device
from fedface_client.failed_attempt import count_error, fail, fail_after_last_attempt
from fedface_client.invitation import Invitation, is_combined
from fedface_client.make_update import TrainingInputs, make_update, started_from
from fedface_client.masked_client import MaskedClient
from fedface_client.settle import count_attempt, count_attempts, current_round, settle
from fedface_core.contracts import object_keys
from fedface_core.domain.declaration import check_declaration, check_masked_declaration
from fedface_core.domain.devices import RoundTask, Wait
from fedface_core.domain.errors import (
    ArtifactMissingError,
    DamagedObjectError,
    InvalidInputError,
    LostResidualError,
    UpdateRefusedError,
)
from fedface_core.domain.network_size import network_size
from fedface_core.domain.plan import Plan
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.update import AcceptedUpdate
from fedface_core.ports import Ports
from fedface_core.runtime.metrics import CLIENT_STEP_SECONDS, UPDATE_BYTES, UPDATES, ClientStep
from fedface_core.secure_aggregation.errors import RevealRefusedError
from fedface_learning.client.update import Update
from fedface_learning.formats.codec import decode_tensors, sha256_hex
from fedface_learning.updates.trained import TrainedUpdate
from fedface_worker.checked_artifacts import get_bounded
from fedface_worker.public_reasons import reason_of_client
from fedface_worker.workbench import Workbench

log = structlog.get_logger(__name__)

_BYTES_A_PARAMETER: Final = 8  # four, and as many for the buffers, which are far fewer
_BYTES_OF_A_NUMBER: Final = 8  # in a masked update; there is one for each two dimensions
_BYTES_BESIDE: Final = 1 << 20  # names and shapes of the tensors
MadeT = TypeVar("MadeT", Update, TrainedUpdate)


@dataclass(frozen=True)
class Attempt:
    """An attempt that has begun: the invited client's attempt number ``number``, counted from 1, on its ``device``.

    The steps of an attempt are `begin`, `make_update` and `deliver`, in this order. Every log entry of a step names the
    client, and a note on an unexpected error names it too. Such an error is counted and raised; with the last attempt the
    client is recorded as failed. If a client's data cannot be used, it is recorded as failed at once. So the round does not
    wait for it.
    """

    workbench: Workbench
    invitation: Invitation
    device: Device
    number: int
    waits: Mapping[Wait, float]
    """The waits of the device that had begun before this attempt → how many seconds are left."""

    @classmethod
    def begin(cls, workbench: Workbench, invitation: Invitation) -> Self | None:
        """Count an attempt of the client and return it. None if the client has nothing to do.

        That is so if the client has settled, if its device does not respond, or if it has used up the plan's attempts. In
        the last case the client is recorded as failed, because it may be what kills the worker. If a simulated device does
        not respond, nothing is recorded: quorum and deadline let the round go on without it, and the sweep asks it again.
        """
        with _counting_errors(workbench.ports, invitation, attempt=None):
            device = _device(workbench, invitation)
            waits = _waits(workbench.ports, invitation) if device.waits else {}
            # This comes before the attempt is counted: a device that is absent must not use up its attempts. One that has
            # begun to wait has responded.
            if not waits and not device.responds(RoundTask.TRAIN):
                return None
            return cls._begun(workbench, invitation, device, count_attempt(workbench.ports, invitation), waits)

    @classmethod
    def begin_together(cls, workbench: Workbench, invitations: Sequence[Invitation]) -> tuple[list[Self], int]:
        """Count an attempt of each of the first of these clients, which train at once, in one trip to the ledger.

        Returns those that have something to do, and for how many clients it was counted or looked at, at least one. Either
        they are on their first attempt, or there is one. The plan must simulate no devices.
        """
        first = invitations[0]
        with _counting_errors(workbench.ports, first, attempt=None):
            numbers = count_attempts(workbench.ports, invitations)
        begun = []
        for invitation, number in zip(invitations, numbers, strict=False):
            with _counting_errors(workbench.ports, invitation, attempt=None):
                attempt = cls._begun(workbench, invitation, _device(workbench, invitation), number, {})
            if attempt is not None:
                begun.append(attempt)
        return begun, len(numbers)

    @classmethod
    def _begun(
        cls, workbench: Workbench, invitation: Invitation, device: Device, number: int, waits: Mapping[Wait, float]
    ) -> Self | None:
        """The attempt that was counted as ``number``; None if the client has nothing to do, or no attempt is left."""
        if number == 0 and waits.get(Wait.DELIVERY, 1) > 0:
            log.debug("nothing_to_do")
            return None
        if number > invitation.plan.cohort.attempts:
            fail_after_last_attempt(workbench.ports, invitation)
            return None
        return cls(workbench, invitation, device, number, waits)

    @property
    def can_deliver_in_background(self) -> bool:
        """Whether the update may be delivered while the next client trains: on the first of several attempts.

        On a later attempt something has killed the worker before, and on an only attempt the client has no second one. Then
        a next client that kills the worker must not take this client's delivery with it.
        """
        return self.number == 1 < self.invitation.plan.cohort.attempts

    def make_update(self) -> Update | AcceptedUpdate | None:
        """Make the client's update and return it, or the record of the update that an earlier attempt has put already.

        Returns None if the client's data cannot be used; the client is then recorded as failed with the reason. Returns None
        too if its simulated device has to wait; its task then comes back when the wait is over.
        """
        with self._counting_errors():
            stored = self._stored_update()
            if stored is not None or not self._is_due():
                return stored
            with self._failing():
                return self._masked(make_update(self.workbench, self.invitation))
            return None

    def fetch_inputs(self) -> TrainingInputs | AcceptedUpdate | None:
        """What the client trains with, or the record or None that `make_update` would return before it trains."""
        with self._counting_errors():
            stored = self._stored_update()
            if stored is not None or not self._is_due():
                return stored
            with self._failing():
                return TrainingInputs.fetch(self.workbench, self.invitation)
            return None

    def finish(self, inputs: TrainingInputs, make: Callable[[], MadeT]) -> MadeT | None:
        """The update that ``make`` makes of what the client has trained with the inputs.

        None if there is none to deliver, because ``make`` raises `InvalidInputError` or the aggregator would refuse the
        update; the client is then recorded as failed.
        """
        with self._counting_errors(), self._failing():
            made = make()
            inputs.count_images()
            check_declaration(made.accepted, self.invitation.plan, self.invitation.opened_round.kind)
            return self._masked(made) if isinstance(made, Update) else made
        return None

    def count_error(self, error: Exception) -> None:
        """Count an unexpected error of a computation that this client had a part in."""
        count_error(self.workbench.ports, self.invitation, error, self.number)

    def deliver(self, update: Update | AcceptedUpdate) -> None:
        """Put the update if it is not stored yet, have its acceptance recorded, and publish the message that makes due.

        If another delivery of the task was faster, its update stays: the ledger names its bytes, and another kind of CPU
        makes others. If every upload breaks off, the client is recorded as failed.
        """
        with self._counting_errors():
            if isinstance(update, Update) and not self._was_accepted() and not self._put(update):
                because = f"each of {self.device.upload_attempts} attempts to upload broke off"
                fail(self.workbench.ports, self.invitation, because)
                return
            accepted = update.accepted if isinstance(update, Update) else update
            # A stored update of an earlier attempt is late too: a killed worker does not make its device punctual.
            if self._has_to_wait(Wait.DELIVERY):
                return
            with CLIENT_STEP_SECONDS.labels(ClientStep.RECORD).time():
                settled = settle(self.workbench.ports, self.invitation, accepted)
            if settled.waits:
                log.debug("waits_for_the_next_round")
                return
            refused = settled.refused
            UPDATES.labels("refused" if refused else "accepted", refused or "").inc()
            if refused:
                log.info("update_refused", reason=refused)
            elif self.invitation.opened_round.kind is RoundKind.TRAINING:
                UPDATE_BYTES.labels(self.invitation.plan.update_encoding.name).inc(accepted.size)
            log.debug("update_delivered", images=accepted.images, bytes=accepted.size)

    def _is_due(self) -> bool:
        """Whether the update is to be made now. If the simulated device has to wait, the task comes back later."""
        return self.number > 0 and not self._has_to_wait(Wait.TRAINING)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Record the client as failed if its data cannot be used; the block then ends without an error."""
        try:
            yield
        except (InvalidInputError, DamagedObjectError, LostResidualError, UpdateRefusedError, RevealRefusedError) as error:
            fail(self.workbench.ports, self.invitation, reason_of_client(error, self.invitation.plan))

    def _masked(self, update: Update) -> Update:
        """The update as it leaves the device: under masks if the plan says so."""
        return update if self.invitation.plan.secure_aggregation is None else self._masked_client.mask(update)

    @property
    def _masked_client(self) -> MaskedClient:
        invitation = self.invitation
        return MaskedClient.of(self.workbench, invitation.plan, invitation.opened_round, invitation.client_id)

    def _has_to_wait(self, wait: Wait) -> bool:
        """Whether the simulated device has to wait. Then its task comes back later, and this attempt does not count.

        So nobody holds a place for a device that waits. If its run ends meanwhile, the task has nothing to do when it comes.
        """
        seconds = self.device.seconds_of(wait)
        if seconds <= 0 or self.waits.get(wait, 1) <= 0:
            return False
        ports = self.workbench.ports
        opened_round = self.invitation.opened_round
        client = self.invitation.client_id
        left = ports.ledger.begin_wait(opened_round.run_id, opened_round.number, client, wait, seconds)
        if left <= 0:
            return False
        if wait is Wait.DELIVERY and wait not in self.waits:
            self.device.is_late()
        ports.publisher.publish_later(self.invitation.task, correlation_id=self.invitation.correlation_id, seconds=left)
        number = current_round(ports, self.invitation)
        if number is not None:
            ports.ledger.take_back_attempt(opened_round.run_id, number, client)
        log.debug("device_waits", what=wait, seconds=left)
        return True

    def _stored_update(self) -> AcceptedUpdate | None:
        """The record of the update that an earlier attempt put before its worker was killed; None if there is none to use.

        The first attempt looks too: after a lost ledger the round is opened again, and attempts are counted from 1. Combined
        updates are not looked for: what an earlier attempt put, if anything, is an object of other clients too.

        An update that started from another model version is of no use. It exists if the ledger of an asynchronous round was
        lost, and the round was opened again from another model version. Neither is one that no client worker has signed for
        this client and this life of the run: anybody may have put it there before the client trained.
        """
        if is_combined(self.invitation.plan, self.invitation.opened_round):
            return None
        try:
            data = get_bounded(self.workbench.ports.artifacts, self._key, _most_bytes(self.invitation.plan))
            _, metadata = decode_tensors(data)
            stored = AcceptedUpdate.model_validate(metadata | {"sha256": sha256_hex(data), "size": len(data)})
            self._check_stored(stored)
        except ArtifactMissingError:
            return None
        except (DamagedObjectError, ValidationError, UpdateRefusedError, RevealRefusedError) as error:
            log.warning("stored_update_unusable", key=self._key, reason=str(error))
            return None
        return stored if stored.started_from == started_from(self.invitation.opened_round) else None

    def _check_stored(self, stored: AcceptedUpdate) -> None:
        """`UpdateRefusedError` or `RevealRefusedError` if a stored update is not one that this client could make now."""
        if self.invitation.plan.secure_aggregation is None:
            check_declaration(stored, self.invitation.plan, self.invitation.opened_round.kind)
            return
        check_masked_declaration(stored)
        if not self._masked_client.has_made(stored.sha256):
            raise RevealRefusedError("its masks are of another roster, or of another round from an earlier ledger")

    def _was_accepted(self) -> bool:
        opened_round = self.invitation.opened_round
        client = self.invitation.client_id
        return client in self.workbench.ports.ledger.accepted(opened_round.run_id, opened_round.number, [client])

    def _put(self, update: Update) -> bool:
        """Put the residual if there is one, then the update. False if every attempt to upload the update broke off."""
        artifacts = self.workbench.ports.artifacts
        opened_round = self.invitation.opened_round
        residual_sha256 = update.accepted.residual_sha256
        # The residual stands for the device's own memory, so it is not uploaded. It must exist before the update counts.
        if update.residual is not None and residual_sha256 is not None:
            key = object_keys.residual(opened_round.run_id, opened_round.number, self.invitation.client_id, residual_sha256)
            artifacts.put(key, update.residual)
        with CLIENT_STEP_SECONDS.labels(ClientStep.PUT).time():
            return self.device.upload(artifacts, self._key, update.data, update.accepted.sha256)

    def _counting_errors(self) -> AbstractContextManager[None]:
        return _counting_errors(self.workbench.ports, self.invitation, self.number)

    @property
    def _key(self) -> str:
        opened_round = self.invitation.opened_round
        return object_keys.update(opened_round.run_id, opened_round.number, self.invitation.client_id)


def _most_bytes(plan: Plan) -> int:
    """More than an update by this plan can have, and not much more: whoever may put updates could put a huge one."""
    size = plan.model.embedding_size
    beside = 0 if plan.secure_aggregation is None else _BYTES_OF_A_NUMBER * (size + 1) ** 2
    return _BYTES_A_PARAMETER * (network_size(plan.model).parameters + size) + beside + _BYTES_BESIDE


def _device(workbench: Workbench, invitation: Invitation) -> Device:
    return Device.of(invitation.client_id, invitation.opened_round.number, invitation.plan, workbench.ports.clock)


def _waits(ports: Ports, invitation: Invitation) -> Mapping[Wait, float]:
    """The waits of the client's device that have begun. They belong to the round of the invitation."""
    opened_round = invitation.opened_round
    return ports.ledger.waits(opened_round.run_id, opened_round.number, invitation.client_id)


@contextmanager
def _counting_errors(ports: Ports, invitation: Invitation, attempt: int | None) -> Iterator[None]:
    """Add the client's id to each log entry of the block and to an error that leaves it, and count that error.

    ``attempt`` is the number of the client's attempt; None if it is not counted yet.
    """
    with structlog.contextvars.bound_contextvars(client_id=invitation.client_id):
        try:
            yield
        except Exception as error:
            count_error(ports, invitation, error, attempt)
            error.add_note(f"at work for {invitation.client_id}")
            raise
