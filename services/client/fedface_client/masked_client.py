"""A client of a masked shard: what its device puts in each phase, and when it puts nothing (ADR 41).

What it is told is read from the store, and checked. What it must not answer twice stands in its journal, before it is put.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import structlog

from fedface_client.make_update import started_from
from fedface_client.stored_journal import StoredJournal
from fedface_core.contracts import object_keys
from fedface_core.domain.deposit import Deposit
from fedface_core.domain.errors import ArtifactMissingError, DamagedObjectError
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import Round
from fedface_core.secure_aggregation.accepted_set import AcceptedSet, SetSignature
from fedface_core.secure_aggregation.device import Device
from fedface_core.secure_aggregation.errors import RevealRefusedError
from fedface_core.secure_aggregation.kept_secret import seal
from fedface_core.secure_aggregation.key_bundle import KeyBundle, make_bundle
from fedface_core.secure_aggregation.masking_client import commit_to, has_masked, masks_of
from fedface_core.secure_aggregation.revealing import Revelation, Signer
from fedface_core.secure_aggregation.roster import ReceivedShares, Roster
from fedface_core.secure_aggregation.shard_round import ShardRound
from fedface_core.secure_aggregation.simulated_device import simulated_device
from fedface_core.secure_aggregation.terms import check_terms
from fedface_learning.aggregation import StartingPoint
from fedface_learning.client.masked import vector_of
from fedface_learning.client.update import Update
from fedface_learning.formats.codec import sha256_hex
from fedface_learning.masking import add_masks
from fedface_learning.updates.masked_update import encode_masked
from fedface_worker.masked_shards import read_accepted_set, read_model, read_roster
from fedface_worker.workbench import Workbench

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class MaskedClient:
    """One client in a masked round of its shard.

    Each method raises `RevealRefusedError`, which says why, if the client must not do what it is asked for, and
    `DamagedObjectError` if what it is told is not what the others have signed.
    """

    workbench: Workbench
    plan: Plan
    current: Round
    device: Device
    journal: StoredJournal
    shard_round: ShardRound

    @classmethod
    def of(cls, workbench: Workbench, plan: Plan, current: Round, client: str) -> Self:
        """The client, whose shard's round has been found to be as its plan promises."""
        device = simulated_device(plan.seed, client)
        shard_round = workbench.shard_rounds.of(current, shard_of(current, client))
        check_terms(plan, shard_round)
        if shard_round.keys.get(client) != device.public_keys:
            raise RevealRefusedError(f"{client} is told of {shard_round} with other keys than those of its own device")
        journal = StoredJournal(workbench.ports.artifacts, current.run_id, client)
        return cls(workbench, plan, current, device, journal, shard_round)

    def bundle(self) -> KeyBundle:
        """The client's keys of the round, with shares for its neighbours."""
        return make_bundle(self.device, self.shard_round)

    def mask(self, update: Update) -> Update:
        """The client's update under its masks, and what it keeps of it sealed. `UpdateRefusedError` if the update is bad."""
        sha256 = self.current.model_sha256
        start = StartingPoint(self.plan, sha256, lambda: self.workbench.models.reference(sha256))
        masks = masks_of(self.device, self.shard_round, self._roster, self._received)
        vector = vector_of(self.device.client, update, start, self.current.number)
        add_masks(vector, masks)
        assert update.residual is not None, "class embeddings stay with their clients"
        sealed = seal(self.device, self.current.run_id, self.current.number, update.residual)
        data, accepted = encode_masked(vector, started_from(self.current), sha256_hex(sealed))
        commit_to(self.journal, self.shard_round, self._roster, accepted.sha256)
        return Update(data, accepted, sealed)

    def has_made(self, sha256: str) -> bool:
        """Whether a masked update with this SHA-256 is the one that the client has masked for this roster."""
        return has_masked(self.journal, self.shard_round, self._roster, sha256)

    def signature(self) -> SetSignature:
        """The client's signature of the accepted set, which stands in its journal."""
        accepted = self.accepted
        signature = Signer(self.device, self.journal).sign(self.shard_round, self._roster, accepted)
        return SetSignature(client=self.device.client, accepted=accepted.digest, signature=signature)

    def revelation(self) -> Revelation:
        """One share for each neighbour, if enough of the others have signed the accepted set."""
        signer = Signer(self.device, self.journal)
        return signer.reveal(self.shard_round, self._roster, self._received, self.accepted, self._signatures())

    @cached_property
    def accepted(self) -> AcceptedSet:
        """The accepted set of the shard, as the client is told it."""
        return read_accepted_set(self.workbench.ports.artifacts, self.shard_round)

    @cached_property
    def _roster(self) -> Roster:
        return read_roster(self.workbench.ports.artifacts, self.shard_round)

    @cached_property
    def _received(self) -> ReceivedShares:
        if self.device.client not in self._roster.bundles:
            raise RevealRefusedError(
                f"{self.device.client} is not on the roster of {self.shard_round}, and received nothing"
            )
        place = (self.current.run_id, self.current.number, self.shard_round.shard, self.shard_round.digest)
        key = object_keys.received_shares(*place, self.device.client)
        return read_model(self.workbench.ports.artifacts, key, ReceivedShares)

    def _signatures(self) -> dict[str, str]:
        """Client → its signature, of those that have made one; nobody's if none are asked for."""
        if not self.shard_round.signers:
            return {}
        run_id = self.current.run_id
        number = self.current.number
        ports = self.workbench.ports
        recorded = ports.ledger.deposits(run_id, number, Deposit.SIGNATURE, sorted(self.accepted.updates))
        found = {}
        for client, sha256 in recorded.items():
            key = object_keys.signature(run_id, number, client)
            try:
                found[client] = read_model(ports.artifacts, key, SetSignature, sha256).signature
            except (ArtifactMissingError, DamagedObjectError) as error:  # those of the others may be enough
                log.warning("signature_refused", signer=client, reason=str(error))
        return found


def shard_of(current: Round, client: str) -> int:
    """The shard of an invited client."""
    return bisect_left(current.cohort, client) // current.shard_size
