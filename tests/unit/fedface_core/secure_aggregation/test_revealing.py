"""What a client refuses: a second update under one mask, a second accepted set, a second sum, and too small a one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fedface_core.domain.mask_graph import GraphParameters
from fedface_core.secure_aggregation.accepted_set import AcceptedSet
from fedface_core.secure_aggregation.errors import DamagedShareError, RevealRefusedError
from fedface_core.secure_aggregation.key_bundle import open_shares
from fedface_core.secure_aggregation.roster import ReceivedShares, Roster
from fedface_learning.masking import Vector
from loadtest.bench.masked_group import MaskedGroup

CLIENTS = 9
FIRST = "client-000000"


def group(**changes: object) -> MaskedGroup:
    return MaskedGroup.of(CLIENTS, GraphParameters(degree=4, threshold=3, signers=0), **changes)  # type: ignore[arg-type]


class Masked:
    """A group whose clients have all shared keys and masked."""

    def __init__(self, of: MaskedGroup) -> None:
        self.group = of
        self.bundles = of.share_keys(of.devices)
        self.roster, self.received = of.close_roster(self.bundles)
        self.masked = {client: of.mask(client, self.roster, self.received[client], update()) for client in of.devices}

    def accepted(self, *without: str) -> AcceptedSet:
        return self.group.accept(self.roster, {key: value for key, value in self.masked.items() if key not in without})


def update(value: int = 5) -> Vector:
    return np.full(3, value, dtype=np.uint64)


def test_of_each_neighbour_one_share_of_the_secret_that_the_set_asks_for() -> None:
    masked = Masked(group(minimum=3))
    shard_round = masked.group.shard_round
    dropped = shard_round.neighbours(FIRST)[1]
    accepted = masked.accepted(dropped)
    revealed = masked.group.reveal(FIRST, masked.roster, masked.received[FIRST], accepted, {})
    assert revealed == masked.group.reveal(FIRST, masked.roster, masked.received[FIRST], accepted, {}), "each time the same"
    assert sorted(revealed.shares) == list(shard_round.neighbours(FIRST))
    for neighbour, share in revealed.shares.items():
        opened = open_shares(masked.group.devices[FIRST], shard_round, neighbour, masked.bundles[neighbour].shares[FIRST])
        assert int(share, 16) == (opened.mask_key if neighbour == dropped else opened.self_mask)


def test_a_second_accepted_set_is_neither_signed_nor_revealed_for() -> None:
    masked = Masked(group())
    masked.group.reveal(FIRST, masked.roster, masked.received[FIRST], masked.accepted(), {})
    other = masked.accepted("client-000003")
    with pytest.raises(RevealRefusedError, match="client-000000 has signed another accepted set of shard 0 of round 1"):
        masked.group.reveal(FIRST, masked.roster, masked.received[FIRST], other, {})
    with pytest.raises(RevealRefusedError, match="has signed another accepted set"):
        masked.group.sign(FIRST, masked.roster, other)
    assert masked.group.reveal(FIRST, masked.roster, masked.received[FIRST], masked.accepted(), {}).shares


def test_a_sum_that_is_too_small_is_not_unmasked() -> None:
    masked = Masked(group(minimum=8))
    with pytest.raises(
        RevealRefusedError, match=r"7 updates were accepted in shard 0 of round 1 .* fewer than 8 is not unm"
    ):
        masked.group.sign(FIRST, masked.roster, masked.accepted("client-000003", "client-000004"))


def test_only_whose_own_update_is_accepted_signs() -> None:
    masked = Masked(group())
    with pytest.raises(RevealRefusedError, match="client-000000 is not in the accepted set"):
        masked.group.sign(FIRST, masked.roster, masked.accepted(FIRST))
    accepted = masked.accepted()
    forged = accepted.model_copy(update={"updates": accepted.updates | {FIRST: "0" * 64}})
    with pytest.raises(RevealRefusedError, match="client-000000 made another update than was accepted of it"):
        masked.group.sign(FIRST, masked.roster, forged)


def test_a_set_of_another_roster_or_with_strangers_is_refused() -> None:
    masked = Masked(group())
    accepted = masked.accepted()
    with pytest.raises(RevealRefusedError, match="of another round or roster"):
        masked.group.sign(FIRST, masked.roster, accepted.model_copy(update={"roster": "0" * 64}))
    strange = accepted.model_copy(update={"updates": accepted.updates | {"client-000077": "0" * 64}})
    with pytest.raises(RevealRefusedError, match="has clients that shared no keys: client-000077"):
        masked.group.sign(FIRST, masked.roster, strange)


def test_no_second_update_is_masked_in_a_round_and_none_for_another_roster() -> None:
    masked = Masked(group())
    masked.group.mask(FIRST, masked.roster, masked.received[FIRST], update())
    with pytest.raises(RevealRefusedError, match="two updates under one mask would show their difference"):
        masked.group.mask(FIRST, masked.roster, masked.received[FIRST], update(6))
    fewer = {client: bundle for client, bundle in masked.bundles.items() if client != "client-000005"}
    roster, received = masked.group.close_roster(fewer)
    with pytest.raises(RevealRefusedError, match="masked another update, or for another roster"):
        masked.group.mask(FIRST, roster, received[FIRST], update())


def test_masks_for_two_rosters_have_nothing_in_common() -> None:
    """Else a client that was asked twice, with a neighbour more or less, would show the mask that it has with it."""
    masked = Masked(group())
    strangers = masked.group.devices.keys() - {FIRST, *masked.group.shard_round.neighbours(FIRST)}
    fewer = {client: bundle for client, bundle in masked.bundles.items() if client != min(strangers)}
    roster, received = masked.group.close_roster(fewer)
    before = {mask.seed for mask in masked.group.masks_of(FIRST, masked.roster, masked.received[FIRST])}
    after = {mask.seed for mask in masked.group.masks_of(FIRST, roster, received[FIRST])}
    assert len(before) == len(after) == 5, "the client that is missing is no neighbour"
    assert not before & after


def test_who_is_not_on_the_roster_masks_nothing() -> None:
    masked = Masked(group())
    without = {client: bundle for client, bundle in masked.bundles.items() if client != FIRST}
    roster, _ = masked.group.close_roster(without)
    with pytest.raises(RevealRefusedError, match="client-000000 is not on the roster of shard 0 of round 1"):
        masks(masked, roster, masked.received[FIRST])


def test_an_update_from_one_start_is_in_one_sum() -> None:
    """A round that is tried again from the same model has the same updates: two sums of them could be subtracted."""
    first = Masked(group())
    again = Masked(replace(group(number=2), journals=first.group.journals))
    first.group.sign(FIRST, first.roster, first.accepted())
    with pytest.raises(RevealRefusedError, match=r"an update from the start of shard 0 of round 2 .* in the sum of another"):
        again.group.sign(FIRST, again.roster, again.accepted())
    third = replace(group(number=3), journals=first.group.journals)
    bundles = third.share_keys(third.devices)
    roster, received = third.close_roster(bundles)
    with pytest.raises(RevealRefusedError, match="in the sum of another round"):
        third.mask(FIRST, roster, received[FIRST], update())
    next_model = Masked(replace(group(number=4, start="4" * 64), journals=first.group.journals))
    assert next_model.group.sign(FIRST, next_model.roster, next_model.accepted())


def test_against_a_server_that_lies_most_must_have_signed_the_same_set() -> None:
    masked = Masked(MaskedGroup.of(CLIENTS, GraphParameters(degree=8, threshold=6, signers=6)))
    accepted = masked.accepted("client-000008")
    other = masked.accepted("client-000007")
    signatures = {f"client-00000{place}": "" for place in range(8)}
    for place, client in enumerate(signatures):
        told = accepted if place < 5 else other
        signatures[client] = masked.group.sign(client, masked.roster, told) if client in told.updates else "0" * 128
    with pytest.raises(RevealRefusedError, match=r"5 clients have signed this accepted set .* and 6 must"):
        masked.group.reveal(FIRST, masked.roster, masked.received[FIRST], accepted, signatures)
    with pytest.raises(RevealRefusedError, match="has signed another accepted set"):
        masked.group.sign("client-000005", masked.roster, accepted)


def test_what_is_received_is_of_the_neighbours_on_the_roster() -> None:
    masked = Masked(group())
    received = masked.received[FIRST]
    neighbour = masked.group.shard_round.neighbours(FIRST)[0]
    fewer = {client: share for client, share in received.neighbours.items() if client != neighbour}
    with pytest.raises(DamagedShareError, match=r"must get the keys of its 4 neighbours .* got those of 3 clients"):
        masks(masked, masked.roster, received.model_copy(update={"neighbours": fewer}))
    bundles = masked.roster.bundles | {neighbour: "0" * 64}
    with pytest.raises(DamagedShareError, match=f"got as that of {neighbour} is not the one on the roster"):
        masks(masked, masked.roster.model_copy(update={"bundles": bundles}), received)


def masks(masked: Masked, roster: Roster, received: ReceivedShares) -> None:
    masked.group.masks_of(FIRST, roster, received)
