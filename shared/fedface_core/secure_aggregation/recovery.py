"""What is left in the sum of masked updates: the own masks of its clients, and what they share with those who dropped out.

Masks of two clients that are both in the sum have cancelled.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import structlog

from fedface_core.secure_aggregation.accepted_set import AcceptedSet, check_signature
from fedface_core.secure_aggregation.derivation import SECRET_BYTES
from fedface_core.secure_aggregation.device import agree, public_key_of
from fedface_core.secure_aggregation.errors import DamagedShareError, TooFewSharesError
from fedface_core.secure_aggregation.key_bundle import KeyBundle, Shared, check_share
from fedface_core.secure_aggregation.masking_client import Mask, pair_mask_seed, self_mask_seed, sign_of
from fedface_core.secure_aggregation.revealing import Revelation, secret_to_reveal
from fedface_core.secure_aggregation.roster import Roster
from fedface_core.secure_aggregation.shamir import recover
from fedface_core.secure_aggregation.shard_round import ShardRound

log = structlog.get_logger(__name__)


def masks_in_sum(
    shard_round: ShardRound,
    roster: Roster,
    bundles: Mapping[str, KeyBundle],
    accepted: AcceptedSet,
    revelations: Iterable[Revelation],
) -> list[Mask]:
    """The masks that are in the sum of the accepted updates, each with the sign with which it is there.

    ``bundles`` are those on the roster, by client. A revelation or a share that is not right does not count, and is logged.
    `RevealRefusedError` if the accepted set is too small to be summed, `TooFewSharesError`, which names a client, if one of
    its secrets cannot be recovered, `DamagedShareError` if its shares give another secret than the client has stated.
    """
    accepted.check(shard_round, roster)
    counted = {each.client: each for each in revelations if _counts(each, shard_round, accepted)}
    masks = []
    for client in sorted(roster.bundles):
        which = secret_to_reveal(client, accepted)
        in_sum = [neighbour for neighbour in shard_round.neighbours(client) if neighbour in accepted.updates]
        if which is Shared.MASK_KEY and not in_sum:
            continue  # a client that has dropped out, and shares no mask with any update in the sum
        recovered = _recover(shard_round, bundles[client], which, counted)
        if which is Shared.SELF_MASK:
            masks.append(Mask(self_mask_seed(recovered, roster), 1))
            continue
        for neighbour in in_sum:
            agreed = agree(recovered, bundles[neighbour].key.mask_key, neighbour)
            masks.append(Mask(pair_mask_seed(agreed, roster, neighbour, client), sign_of(neighbour, client)))
    return masks


def _counts(revelation: Revelation, shard_round: ShardRound, accepted: AcceptedSet) -> bool:
    """Whether a client of the accepted set has revealed for just this set."""
    if revelation.client not in accepted.updates or revelation.accepted != accepted.digest:
        return False
    try:
        check_signature(shard_round, revelation.client, accepted, revelation.signature)
    except DamagedShareError as error:
        log.warning("revelation_not_signed", client_id=revelation.client, reason=str(error))
        return False
    return True


def _recover(shard_round: ShardRound, bundle: KeyBundle, which: Shared, revelations: Mapping[str, Revelation]) -> bytes:
    """The secret of a bundle's client, from the right ones of the shares that its neighbours have revealed."""
    shares: dict[int, int] = {}
    for neighbour, sealed in bundle.shares.items():
        revealed = revelations[neighbour].shares.get(bundle.client) if neighbour in revelations else None
        if revealed is None:
            continue
        share = int(revealed, 16)
        try:
            check_share(sealed, which, share, f"the share of {bundle.client}")
        except DamagedShareError as error:  # the others' may be enough; its client has revealed it wrong, or lies
            log.warning("share_refused", client_id=neighbour, reason=str(error))
            continue
        shares[shard_round.point(neighbour)] = share
        if len(shares) == shard_round.threshold:
            return _checked(bundle, which, recover(shares))
    raise TooFewSharesError(
        f"{len(shares)} of the {shard_round.degree} neighbours of {bundle.client} have revealed a right share of its "
        f"{which}, and {shard_round.threshold} are needed: {shard_round} cannot be unmasked"
    )


def _checked(bundle: KeyBundle, which: Shared, value: int) -> bytes:
    """The recovered secret as bytes, if it is the one that the client has stated."""
    wrong = DamagedShareError(f"the shares that {bundle.client} made give another {which} than its own")
    if value >= 1 << (8 * SECRET_BYTES):
        raise wrong
    found = value.to_bytes(SECRET_BYTES, "big")
    if which is Shared.SELF_MASK:
        right = hashlib.sha256(found).hexdigest() == bundle.key.self_mask_sha256
    else:
        right = public_key_of(found) == bundle.key.mask_key
    if not right:
        raise wrong
    return found
