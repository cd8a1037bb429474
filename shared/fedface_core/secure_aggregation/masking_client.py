"""What a client adds to its update, and the journal by which it never masks two."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from fedface_core.secure_aggregation.derivation import derive
from fedface_core.secure_aggregation.device import Device, agree
from fedface_core.secure_aggregation.errors import RevealRefusedError
from fedface_core.secure_aggregation.roster import ReceivedShares, Roster
from fedface_core.secure_aggregation.shard_round import ShardRound


class Mask(NamedTuple):
    """A mask of one client's update: the seed of a vector, and whether it is added (1) or taken away (−1)."""

    seed: bytes
    sign: int


class Journal(Protocol):
    """What a client remembers of its rounds, and no process loses: a dictionary in which a value is set once.

    It must be where those cannot write against whom it is kept: on the device. Whoever can set it back can have a client
    reveal both secrets of a neighbour.
    """

    def get(self, key: str, /) -> str | None:
        """The value under a key, if there is one."""

    def setdefault(self, key: str, value: str, /) -> str:
        """Store a value if there is none, durably; returns the value that is stored then."""


def masks_of(device: Device, shard_round: ShardRound, roster: Roster, received: ReceivedShares) -> list[Mask]:
    """The masks of a client on the roster: its own, and one with each neighbour on the roster, who takes it away.

    `DamagedShareError` if what was received is not what the neighbours on the roster have signed, `RevealRefusedError` if
    this client is not on the roster: then nobody could take its mask out.
    """
    if device.client not in roster.bundles:
        raise RevealRefusedError(
            f"{device.client} is not on the roster of {shard_round}, so its update is not masked for it"
        )
    received.check(shard_round, roster)
    private = device.mask_key(shard_round.digest)
    masks = [Mask(self_mask_seed(device.self_mask(shard_round.digest), roster), 1)]
    for neighbour, share in received.neighbours.items():
        secret = agree(private, share.key.mask_key, neighbour)
        masks.append(Mask(pair_mask_seed(secret, roster, device.client, neighbour), sign_of(device.client, neighbour)))
    return masks


def self_mask_seed(secret: bytes, roster: Roster) -> bytes:
    """The seed of a client's own mask."""
    return derive(secret, "own mask", roster.digest)


def pair_mask_seed(secret: bytes, roster: Roster, one: str, other: str) -> bytes:
    """The seed of the mask of two neighbours, from the secret that they agree on."""
    return derive(secret, "pair mask", roster.digest, sorted((one, other)))


def sign_of(client: str, neighbour: str) -> int:
    """How a client adds the mask that it has with a neighbour: the first of the two in client order adds it."""
    return 1 if client < neighbour else -1


def commit_to(journal: Journal, shard_round: ShardRound, roster: Roster, sha256: str) -> None:
    """Remember the masked update with this SHA-256, before it is put anywhere.

    `RevealRefusedError` if the client has masked another one in this round, or has let a sum with an update from the same
    start be unmasked in another round: the difference of the two might be one client's update.
    """
    refuse_second_sum(journal, shard_round)
    this = _masked(roster, sha256)
    if journal.setdefault(_masked_key(shard_round), this) != this:
        raise RevealRefusedError(
            f"this client has masked another update, or for another roster, in {shard_round}: two updates under one mask "
            "would show their difference"
        )


def has_masked(journal: Journal, shard_round: ShardRound, roster: Roster, sha256: str) -> bool:
    """Whether the masked update with this SHA-256 is the one that the client has remembered for this roster."""
    return journal.get(_masked_key(shard_round)) == _masked(roster, sha256)


def refuse_second_sum(journal: Journal, shard_round: ShardRound) -> None:
    """Raise `RevealRefusedError` if an update from the same start may be in the sum of another round."""
    if journal.get(start_key(shard_round)) not in {None, shard_round.digest}:
        raise RevealRefusedError(
            f"this client has an update from the start of {shard_round} in the sum of another round: the difference of the "
            "two sums might be one client's update"
        )


def _masked_key(shard_round: ShardRound) -> str:
    return f"masked {shard_round.digest}"


def _masked(roster: Roster, sha256: str) -> str:
    return f"{roster.digest} {sha256}"


def start_key(shard_round: ShardRound) -> str:
    """Under which key of the journal a client remembers in which round's sum its update from that start is."""
    return f"summed {shard_round.start}"
