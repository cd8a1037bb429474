"""What the aggregator recovers, and whom it names if it cannot."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import pytest
import structlog

from fedface_core.domain.mask_graph import GraphParameters
from fedface_core.secure_aggregation.derivation import statement
from fedface_core.secure_aggregation.errors import DamagedShareError, RevealRefusedError, TooFewSharesError
from fedface_core.secure_aggregation.key_bundle import KeyBundle, encode_share
from fedface_core.secure_aggregation.masking_client import Mask
from fedface_core.secure_aggregation.recovery import masks_in_sum
from fedface_core.secure_aggregation.revealing import Revelation
from loadtest.bench.masked_group import MaskedGroup

GROUP = MaskedGroup.of(9, GraphParameters(degree=6, threshold=3, signers=0), minimum=3)
ROUND = GROUP.shard_round
BUNDLES = GROUP.share_keys(GROUP.devices)
ROSTER, RECEIVED = GROUP.close_roster(BUNDLES)
DROPPED = "client-000004"
MASKED = {
    client: GROUP.mask(client, ROSTER, RECEIVED[client], np.zeros(2, dtype=np.uint64))
    for client in GROUP.devices
    if client != DROPPED
}
ACCEPTED = GROUP.accept(ROSTER, MASKED)
REVEALED = {client: GROUP.reveal(client, ROSTER, RECEIVED[client], ACCEPTED, {}) for client in MASKED}
VICTIM = ROUND.neighbours(DROPPED)[0]


def recovered(revealed: Mapping[str, Revelation], bundles: Mapping[str, KeyBundle] = BUNDLES) -> list[Mask]:
    return masks_in_sum(ROUND, ROSTER, bundles, ACCEPTED, revealed.values())


def test_it_finds_own_masks_of_who_is_in_and_pair_masks_of_who_is_out() -> None:
    masks = recovered(REVEALED)
    assert len(masks) == 8 + 6
    for neighbour in ROUND.neighbours(DROPPED):
        pair = set(GROUP.masks_of(neighbour, ROSTER, RECEIVED[neighbour])) & set(masks)
        assert len(pair) == 2, "its own, and the one with the client that has dropped out, with their signs"


def test_the_order_of_revelations_does_not_matter_and_one_too_many_neither() -> None:
    assert recovered(dict(reversed(REVEALED.items()))) == recovered(REVEALED)
    without = {client: each for client, each in REVEALED.items() if client != VICTIM}
    assert recovered(without) == recovered(REVEALED)


def test_below_the_threshold_it_names_the_client_whose_secret_is_lost() -> None:
    away = ROUND.neighbours(DROPPED)[:4]
    few = {client: each for client, each in REVEALED.items() if client not in away}
    with pytest.raises(
        TooFewSharesError, match=r"[0-2] of the 6 neighbours of client-\d{6} have .*, and 3 are needed: shard 0"
    ):
        recovered(few)


@pytest.mark.parametrize("change", ["signature", "accepted", "client"])
def test_a_revelation_that_is_not_of_this_set_and_client_does_not_count(change: str) -> None:
    away = ROUND.neighbours(DROPPED)[:4]
    wrong = {"signature": "0" * 128, "accepted": "0" * 64, "client": DROPPED}[change]
    spoilt = REVEALED | {client: REVEALED[client].model_copy(update={change: wrong}) for client in away}
    with pytest.raises(TooFewSharesError, match=r"[0-2] of the 6 neighbours"):
        recovered(spoilt)


def test_a_wrong_share_does_not_count_whoever_reveals_it() -> None:
    liar = VICTIM
    shares = dict.fromkeys(REVEALED[liar].shares, "0" * 66)
    one_lies = REVEALED | {liar: REVEALED[liar].model_copy(update={"shares": shares})}
    with structlog.testing.capture_logs() as logs:
        found = recovered(one_lies)
    assert found == recovered(REVEALED)
    assert {(entry["event"], entry["client_id"]) for entry in logs} == {("share_refused", liar)}


def test_a_client_that_shared_another_secret_than_its_own_is_named() -> None:
    """Its polynomial is of a secret that is not the stated one; all shares are right, by the digests that it has signed."""
    shares = {
        neighbour: share.model_copy(update={"self_mask_share_sha256": hashlib.sha256(encode_share(7)).hexdigest()})
        for neighbour, share in BUNDLES[VICTIM].shares.items()
    }
    key = BUNDLES[VICTIM].key
    device = GROUP.devices[VICTIM]
    signed = key.model_copy(update={"signature": device.sign(statement("signed key bundle", key.digest))})
    cheat = BUNDLES | {VICTIM: BUNDLES[VICTIM].model_copy(update={"key": signed, "shares": shares})}
    sevens = {
        client: each.model_copy(
            update={"shares": each.shares | ({VICTIM: encode_share(7).hex()} if VICTIM in each.shares else {})}
        )
        for client, each in REVEALED.items()
    }
    with pytest.raises(DamagedShareError, match=f"the shares that {VICTIM} made give another self-mask than its own"):
        recovered(sevens, cheat)


def test_a_set_below_the_minimum_is_not_unmasked() -> None:
    updates = dict(list(ACCEPTED.updates.items())[:2])
    few = ACCEPTED.model_copy(update={"updates": updates})
    with pytest.raises(RevealRefusedError, match=r"2 updates were accepted .* fewer than 3 is not unmasked"):
        masks_in_sum(ROUND, ROSTER, BUNDLES, few, REVEALED.values())
