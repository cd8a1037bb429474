"""One attempt of one client in one round: it is counted, makes an update, puts it and has its acceptance recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

import structlog
from pydantic import ValidationError

from fedface_client.device import Device
from fedface_client.make_update import make_update, started_from
from fedface_client.settle import Failure, Invitation, count_attempt, settle
from fedface_core.contracts import object_keys
from fedface_core.domain.errors import ArtifactMissingError, DamagedObjectError, InvalidInputError, LostResidualError
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.update import AcceptedUpdate
from fedface_core.runtime.metrics import CLIENT_STEP_SECONDS, UPDATE_BYTES, UPDATES
from fedface_learning.client.update import Update
from fedface_learning.formats.codec import decode_tensors, sha256_hex
from fedface_worker.workbench import Workbench

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Attempt:
    """An attempt that has begun: the ``number``-th of the invited client, from 1 on, on its ``device``.

    Its steps are `begin`, `make_update` and `deliver`, in this order. While one runs, logs name the client, and so does an
    unexpected error. A client whose data cannot be used is recorded as failed, so that the round does not wait for it.
    """

    workbench: Workbench
    invitation: Invitation
    device: Device
    number: int

    @classmethod
    def begin(cls, workbench: Workbench, invitation: Invitation) -> Self | None:
        """Count the client's attempt. None if it has nothing to do: it has settled, keeps silent, or is given up.

        A client whose task was delivered too often is given up, for it may be what kills the worker. Of a simulated device
        that keeps silent nothing is recorded: to go on without it, or to ask it again, is for the quorum, the deadline and
        the sweep.
        """
        plan = invitation.plan
        with _on_behalf_of(invitation.client_id):
            device = Device.of(invitation.client_id, invitation.opened.number, plan, workbench.ports.clock)
            # Before the attempt is counted: to ask an absent device again must not use up its attempts.
            if device.keeps_silent():
                return None
            number = count_attempt(workbench.ports, invitation)
            if number == 0:
                log.debug("nothing_to_do")
                return None
            attempt = cls(workbench, invitation, device, number)
            if number > plan.cohort.attempts:
                attempt._fail(f"gave up after {plan.cohort.attempts} attempts")
                return None
            return attempt

    @property
    def may_wait(self) -> bool:
        """Whether the delivery may wait while the next client trains.

        Not on a later attempt, when somebody has killed the worker before, nor on the only one that the plan allows: else a
        client that kills its worker could take the one before with it.
        """
        return self.number == 1 < self.invitation.plan.cohort.attempts

    def make_update(self) -> Update | AcceptedUpdate | None:
        """Make the client's update. If an earlier attempt has put it already, the record of that one; None if it failed."""
        with _on_behalf_of(self.invitation.client_id):
            # On the first attempt too: a round whose ledger was lost is opened anew, and worker and ledger count from 1.
            stored = self._stored_update()
            if stored is not None:
                return stored
            self.device.take_time()
            try:
                return make_update(self.workbench, self.invitation)
            except (InvalidInputError, DamagedObjectError, LostResidualError) as error:
                self._fail(str(error))
                return None

    def deliver(self, update: Update | AcceptedUpdate) -> None:
        """Put the update if it is not stored yet, have its acceptance recorded, and publish what that completes."""
        with _on_behalf_of(self.invitation.client_id):
            if isinstance(update, Update) and not self._put(update):
                self._fail(f"each of {self.device.upload_attempts} attempts to upload broke off")
                return
            accepted = update.accepted if isinstance(update, Update) else update
            # Also if an earlier attempt has put it: to kill a worker makes no device punctual.
            self.device.be_late()
            with CLIENT_STEP_SECONDS.labels("record").time():
                refused = settle(self.workbench.ports, self.invitation, accepted)
            UPDATES.labels("refused" if refused else "accepted", refused or "").inc()
            if refused:
                log.info("update_refused", reason=refused)
            elif self.invitation.opened.kind is RoundKind.TRAINING:
                UPDATE_BYTES.labels(self.invitation.plan.update_encoding.name).inc(accepted.size)
            log.debug("update_delivered", images=accepted.images, bytes=accepted.size)

    def _stored_update(self) -> AcceptedUpdate | None:
        """The update that an earlier attempt put before it was killed: it need not be made again.

        Unless it started from another model version: an asynchronous round whose ledger was lost may start from another one.
        """
        try:
            data = self.workbench.ports.artifacts.get(self._key)
            _, metadata = decode_tensors(data)
            stored = AcceptedUpdate.model_validate(metadata | {"sha256": sha256_hex(data), "size": len(data)})
        except ArtifactMissingError:
            return None
        except (DamagedObjectError, ValidationError) as error:
            log.warning("stored_update_unusable", key=self._key, reason=str(error))
            return None
        return stored if stored.started_from == started_from(self.invitation.opened) else None

    def _put(self, update: Update) -> bool:
        """Put the update, and before it what its encoding left out. False if every attempt to upload it broke off."""
        artifacts = self.workbench.ports.artifacts
        opened = self.invitation.opened
        residual_sha256 = update.accepted.residual_sha256
        # With error feedback: the device's own memory, and no upload. It must be there before the update counts.
        if update.residual is not None and residual_sha256 is not None:
            key = object_keys.residual(opened.run_id, opened.number, self.invitation.client_id, residual_sha256)
            artifacts.put(key, update.residual)
        with CLIENT_STEP_SECONDS.labels("put").time():
            return self.device.upload(artifacts, self._key, update.data)

    def _fail(self, reason: str) -> None:
        log.warning("client_failed", reason=reason)
        if not settle(self.workbench.ports, self.invitation, Failure(reason)):
            UPDATES.labels("failed", "client").inc()

    @property
    def _key(self) -> str:
        opened = self.invitation.opened
        return object_keys.update(opened.run_id, opened.number, self.invitation.client_id)


@contextmanager
def _on_behalf_of(client: str) -> Iterator[None]:
    """Logs name the client, and so does an unexpected error."""
    with structlog.contextvars.bound_contextvars(client_id=client):
        try:
            yield
        except Exception as error:
            error.add_note(f"at work for {client}")
            raise
