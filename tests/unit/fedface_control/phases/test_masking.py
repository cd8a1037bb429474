"""The phases of a masked round that wait for deposits: how they end, what they publish, and what is in the store before."""

from __future__ import annotations

import pytest

from fedface_control.phases import masking
from fedface_control.phases.open import round_ready
from fedface_core.contracts import object_keys
from fedface_core.domain.commands import RevealShares, ShareKeys, SignAcceptedSet
from fedface_core.domain.deposit import Deposit
from fedface_core.domain.facts import RoundReady
from fedface_core.domain.round import RoundPhase, ShardRoster
from fedface_core.secure_aggregation.accepted_set import AcceptedSet
from support.control_rounds import RUN
from support.masked_control import COHORT, FIRST, SECOND, MaskedControl

ROSTERS = {shard: ShardRoster(shard_round=str(shard) * 64, roster="e" * 64) for shard in (0, 1)}


def unmasking(against: str = "curious") -> MaskedControl:
    """A closed round, in which all clients but one of each shard have sent an update."""
    masked = MaskedControl(RoundPhase.SHARING, against)
    masked.deposit(Deposit.KEY_BUNDLE, COHORT)
    masked.change(masked.round.shared())
    masked.change(masked.round.with_rosters(ROSTERS).handed_on(masked.round.deadline_at))
    masked.accept([*FIRST[1:], *SECOND[1:]])
    masked.change(masked.round.closed(masked.round.opened_at, masked.round.deadline_at))
    return masked


def test_who_shared_no_keys_before_the_deadline_fails_and_the_phase_ends() -> None:
    masked = MaskedControl(RoundPhase.SHARING)
    masked.deposit(Deposit.KEY_BUNDLE, COHORT[2:])
    assert masking.next_step(masked.control.ports, masked.snapshot) is None
    assert [command.clients for command in masking.commands(masked.run.plan, masked.round, masked.snapshot.tally)] == [
        (COHORT[0],),
        (COHORT[1],),
    ]
    masked.pass_the_deadline()
    assert masking.next_step(masked.control.ports, masked.snapshot) is not None
    assert masked.round.phase is RoundPhase.HANDING_ON
    failed = masked.control.ledger.failed(RUN, 1)
    assert failed == dict.fromkeys(COHORT[:2], "it shared no keys before the deadline")
    assert masked.control.ledger.events(RUN)[-1].data["because"] == "deadline"


def test_registered_devices_share_keys_until_a_deadline_of_their_own() -> None:
    masked = MaskedControl(RoundPhase.REGISTERING)
    first_deadline = masked.round.deadline_at
    masked.control.clock.advance(100)
    masked.deposit(Deposit.DEVICE_KEYS, COHORT)
    assert masking.next_step(masked.control.ports, masked.snapshot) is not None
    assert masked.round.phase is RoundPhase.SHARING
    assert (masked.round.deadline_at - first_deadline).total_seconds() == 100
    masking.publish(masked.control.ports, masked.snapshot)
    published = [command for command, _ in masked.control.publisher.published]
    asked = [client for command in published if isinstance(command, ShareKeys) for client in command.clients]
    assert asked == list(COHORT)


def test_the_accepted_sets_are_in_the_store_before_anybody_is_asked_to_unmask() -> None:
    masked = unmasking()
    ports = masked.control.ports
    masking.publish(ports, masked.snapshot)
    for shard, members in ((0, FIRST), (1, SECOND)):
        roster = ROSTERS[shard]
        stored = ports.artifacts.get(object_keys.accepted_set(RUN, 1, shard, roster.shard_round))
        accepted = AcceptedSet.model_validate_json(stored)
        assert (accepted.shard_round, accepted.roster) == (roster.shard_round, roster.roster)
        assert accepted.updates == dict.fromkeys(members[1:], "2" * 64)
    assert {type(command) for command, _ in masked.control.publisher.published} == {RevealShares}


def test_an_accepted_set_that_is_there_is_never_replaced() -> None:
    masked = unmasking()
    ports = masked.control.ports
    key = object_keys.accepted_set(RUN, 1, 0, ROSTERS[0].shard_round)
    ports.artifacts.put(key, b"signed already")
    masking.publish(ports, masked.snapshot)
    assert ports.artifacts.get(key) == b"signed already"


def test_nobody_fails_who_does_not_help_to_unmask() -> None:
    masked = unmasking()
    masked.deposit(Deposit.REVELATION, FIRST[1:])
    assert masking.next_step(masked.control.ports, masked.snapshot) is None
    masked.pass_the_deadline()
    assert masking.next_step(masked.control.ports, masked.snapshot) is not None
    assert masked.round.phase is RoundPhase.AGGREGATING
    assert masked.control.ledger.failed(RUN, 1) == {}


@pytest.mark.parametrize(("signed", "asked"), [(10, set()), (11, set(FIRST[1:]))])
def test_a_shard_that_has_signed_is_asked_to_reveal_and_no_other_one(signed: int, asked: set[str]) -> None:
    masked = unmasking("lying")
    masked.deposit(Deposit.SIGNATURE, FIRST[1 : 1 + signed])
    fact = RoundReady(run_id=RUN, round=1, because="settled", shard=0)
    assert round_ready(masked.control.ports, masked.run, fact) is None, "the phase goes on"
    published = [command for command, _ in masked.control.publisher.published]
    assert {client for command in published if isinstance(command, RevealShares) for client in command.clients} == asked
    assert not any(isinstance(command, SignAcceptedSet) for command in published)
