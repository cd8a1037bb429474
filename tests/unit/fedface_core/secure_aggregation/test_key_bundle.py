"""Key bundles: the same bytes each time, and nothing of them can be changed, moved or read by others."""

from __future__ import annotations

import re
from hashlib import sha256

import pytest

from fedface_core.domain.mask_graph import GraphParameters
from fedface_core.secure_aggregation.derivation import derive, statement
from fedface_core.secure_aggregation.device import Device, agree
from fedface_core.secure_aggregation.errors import DamagedShareError
from fedface_core.secure_aggregation.key_bundle import KeyBundle, Shared, check_bundle, make_bundle, open_shares
from fedface_core.secure_aggregation.shamir import recover
from loadtest.bench.masked_group import MaskedGroup

GROUP = MaskedGroup.of(7, GraphParameters(degree=4, threshold=3, signers=0))
ROUND = GROUP.shard_round
SENDER = "client-000002"
NEIGHBOURS = ROUND.neighbours(SENDER)
STRANGER = next(client for client in GROUP.devices if client not in {*NEIGHBOURS, SENDER})


def bundle() -> KeyBundle:
    return make_bundle(GROUP.devices[SENDER], ROUND)


def flipped(digits: str) -> str:
    """Hexadecimal digits with the first one changed."""
    return f"{int(digits[0], 16) ^ 1:x}{digits[1:]}"


def test_a_repeated_task_makes_the_same_bytes_and_another_round_others() -> None:
    assert bundle().model_dump_json() == bundle().model_dump_json()
    assert KeyBundle.model_validate_json(bundle().model_dump_json()) == bundle()
    other = MaskedGroup.of(7, GraphParameters(4, 3, 0), number=2).shard_round
    assert make_bundle(GROUP.devices[SENDER], other).key.mask_key != bundle().key.mask_key


def test_every_version_makes_these_keys() -> None:
    """Clients of two versions are in one shard: what one derives otherwise than the other spoils the sum of all."""
    bundles = GROUP.share_keys(GROUP.devices)
    roster, received = GROUP.close_roster(bundles)
    masks = GROUP.masks_of(SENDER, roster, received[SENDER])
    assert ROUND.digest == "13ba33420addb64fcbffbd8a87657b6abdf48726172bb56167405645063afa34"
    assert sha256(bundle().model_dump_json().encode()).hexdigest() == (
        "6d91e2eeb6549c6d45f48563aec2dd6a35dc35c6e06f3ccd56efd963c95dbddc"
    )
    assert roster.digest == "dda6e3cc2a529de2cc555f2951f75403d88a5cbbfa15a2941ad3130251bc7bed"
    assert [mask.sign for mask in masks] == [1, -1, 1, 1, 1]
    assert sha256(b"".join(mask.seed for mask in masks)).hexdigest() == (
        "ae257da3753685823945e43e5b9b5c7fea1b2f75089100938a82315ab747e670"
    )


@pytest.mark.parametrize("change", [{"basis": "1" * 64}, {"life": "1" * 32}, {"shard": 1}, {"threshold": 2}, {"minimum": 3}])
def test_whatever_a_round_is_decides_its_keys(change: dict[str, object]) -> None:
    other = ROUND.model_validate(ROUND.model_dump() | change)
    assert GROUP.devices[SENDER].mask_key(other.digest) != GROUP.devices[SENDER].mask_key(ROUND.digest)
    assert GROUP.devices[SENDER].self_mask(other.digest) != GROUP.devices[SENDER].self_mask(ROUND.digest)


def test_any_three_neighbours_have_both_secrets() -> None:
    check_bundle(bundle(), ROUND)
    opened = {client: open_shares(GROUP.devices[client], ROUND, SENDER, bundle().shares[client]) for client in NEIGHBOURS}
    device = GROUP.devices[SENDER]
    secrets = {Shared.MASK_KEY: device.mask_key(ROUND.digest), Shared.SELF_MASK: device.self_mask(ROUND.digest)}
    for which, secret in secrets.items():
        shares = {ROUND.point(client): opened[client].of(which) for client in NEIGHBOURS[1:]}
        assert recover(shares) == int.from_bytes(secret, "big")
        shares.popitem()
        assert recover(shares) != int.from_bytes(secret, "big")


def test_a_sealed_share_that_was_changed_is_refused() -> None:
    receiver = NEIGHBOURS[0]
    share = bundle().shares[receiver]
    changed = share.model_copy(update={"sealed": flipped(share.sealed)})
    with pytest.raises(DamagedShareError, match=f"the shares of {SENDER} for {receiver} were not sealed for it"):
        open_shares(GROUP.devices[receiver], ROUND, SENDER, changed)
    wrong_digest = share.model_copy(update={"self_mask_share_sha256": "0" * 64})
    with pytest.raises(DamagedShareError, match=f"the share of the self-mask of {SENDER} for {receiver} is not the one"):
        open_shares(GROUP.devices[receiver], ROUND, SENDER, wrong_digest)


def test_nobody_else_can_open_a_share_nor_can_it_be_moved() -> None:
    share = bundle().shares[NEIGHBOURS[0]]
    other_round = ROUND.model_validate(ROUND.model_dump() | {"number": 9})
    for client, sender, at in [(NEIGHBOURS[1], SENDER, ROUND), (NEIGHBOURS[0], NEIGHBOURS[1], ROUND)]:
        with pytest.raises(DamagedShareError, match="were not sealed for it"):
            open_shares(GROUP.devices[client], at, sender, share)
    with pytest.raises(DamagedShareError, match="were not sealed for it"):
        open_shares(GROUP.devices[NEIGHBOURS[0]], other_round, SENDER, share)


@pytest.mark.parametrize("field", ["mask_key", "self_mask_sha256", "shares_sha256", "signature"])
def test_a_bundle_that_was_changed_is_refused(field: str) -> None:
    key = bundle().key
    changed = key.model_copy(update={field: flipped(getattr(key, field))})
    with pytest.raises(DamagedShareError, match=f"the key bundle of {SENDER} is not signed by the device of {SENDER}"):
        check_bundle(bundle().model_copy(update={"key": changed}), ROUND)


def test_a_bundle_has_its_own_shares_and_all_of_them() -> None:
    shares = bundle().shares
    fewer = {client: share for client, share in shares.items() if client != NEIGHBOURS[0]}
    with pytest.raises(DamagedShareError, match="must have a share for each of its 4 neighbours"):
        check_bundle(bundle().model_copy(update={"shares": fewer}), ROUND)
    swapped = shares | {NEIGHBOURS[0]: shares[NEIGHBOURS[1]]}
    with pytest.raises(DamagedShareError, match="other shares than its device has signed"):
        check_bundle(bundle().model_copy(update={"shares": swapped}), ROUND)


def test_a_bundle_of_another_round_or_of_no_member_is_refused() -> None:
    other = ROUND.model_validate(ROUND.model_dump() | {"number": 9})
    with pytest.raises(DamagedShareError, match="made for another round or shard than shard 0 of round 9 of run-"):
        check_bundle(bundle(), other)
    key = bundle().key.model_copy(update={"client": "client-000099"})
    with pytest.raises(DamagedShareError, match="client-000099 is of no member of shard 0"):
        check_bundle(bundle().model_copy(update={"key": key}), ROUND)


def test_a_key_that_gives_everybody_one_secret_is_refused() -> None:
    """The point of order one (RFC 7748, section 6.1): whatever the other key is, the secret is zero."""
    device = GROUP.devices[SENDER]
    key = bundle().key.model_copy(update={"mask_key": "0" * 64})
    signed = key.model_copy(update={"signature": device.sign(statement("signed key bundle", key.digest))})
    with pytest.raises(DamagedShareError, match=f"the public key of {SENDER} gives no secret"):
        check_bundle(bundle().model_copy(update={"key": signed}), ROUND)


def test_two_clients_that_are_no_neighbours_have_nothing_sealed_for_each_other() -> None:
    assert STRANGER not in bundle().shares


def test_two_devices_agree_on_one_secret() -> None:
    one = GROUP.devices[SENDER]
    other = GROUP.devices[NEIGHBOURS[0]]
    assert one.agree_on_seal(other.public_keys) == other.agree_on_seal(one.public_keys)
    assert one.agree_on_seal(other.public_keys) != one.agree_on_seal(GROUP.devices[STRANGER].public_keys)


def test_a_secret_is_derived_by_hkdf_and_for_one_purpose() -> None:
    secret = bytes(range(32))
    assert derive(secret, "a") != derive(secret, "b")
    assert derive(secret, "a", 1) != derive(secret, "a", "1")
    assert derive(secret, "a", length=64)[:32] == derive(secret, "a")
    assert secret.hex() not in repr(Device(SENDER, secret))
    assert re.fullmatch(r"Device\(client-000002\)", repr(Device(SENDER, secret)))
    with pytest.raises(DamagedShareError, match="gives no secret"):
        agree(secret, "0" * 64, SENDER)
