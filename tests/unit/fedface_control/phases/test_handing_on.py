"""The rosters of a masked round: which facts fix them, who fails, and when the round opens."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from fedface_control.phases import handing_on
from fedface_core.domain.commands import HandOnShares
from fedface_core.domain.deposit import Deposit
from fedface_core.domain.facts import SharesHandedOn
from fedface_core.domain.round import RoundPhase, ShardRoster
from support.control_rounds import RUN
from support.masked_control import COHORT, FIRST, SECOND, MaskedControl


def handed_on(shard: int = 0, clients: Sequence[str] = FIRST, refused: dict[str, str] | None = None) -> SharesHandedOn:
    return SharesHandedOn(
        run_id=RUN,
        round=1,
        shard=shard,
        shard_round="a" * 64,
        roster="b" * 64,
        clients=tuple(clients),
        refused=refused or {},
    )


def shared(by: Sequence[str] = COHORT) -> MaskedControl:
    """A round whose sharing has ended, with the bundles of these clients."""
    masked = MaskedControl(RoundPhase.SHARING)
    masked.deposit(Deposit.KEY_BUNDLE, by)
    masked.change(masked.round.shared())
    return masked


def test_the_round_opens_once_every_shard_has_a_roster() -> None:
    masked = shared()
    ports = masked.control.ports
    assert handing_on.next_step(ports, masked.snapshot) is None
    both = [HandOnShares(run_id=RUN, round=1, shard=shard) for shard in (0, 1)]
    assert handing_on.commands(masked.run.plan, masked.round, masked.snapshot.tally) == both
    assert handing_on.shares_handed_on(ports, masked.run, handed_on()) is not None
    assert handing_on.commands(masked.run.plan, masked.round, masked.snapshot.tally) == both[1:]
    assert handing_on.next_step(ports, masked.snapshot) is None
    masked.control.clock.advance(50)
    assert handing_on.shares_handed_on(ports, masked.run, handed_on(1, SECOND)) is not None
    assert handing_on.next_step(ports, masked.snapshot) is not None
    opened = masked.round
    assert opened.phase is RoundPhase.OPEN
    assert (opened.deadline_at - opened.opened_at).total_seconds() == 50 + masked.run.plan.cohort.deadline_seconds
    assert opened.masks is not None
    assert opened.masks.rosters == dict.fromkeys((0, 1), ShardRoster(shard_round="a" * 64, roster="b" * 64))


def test_who_is_not_on_the_roster_fails_with_the_reason() -> None:
    masked = shared()
    wrong = {FIRST[0]: "its key bundle is not signed"}
    handing_on.shares_handed_on(masked.control.ports, masked.run, handed_on(clients=FIRST[2:], refused=wrong))
    assert masked.control.ledger.failed(RUN, 1) == wrong | {FIRST[1]: "its key bundle is not on the roster of its shard"}


def test_a_shard_is_left_out_whose_roster_is_too_small() -> None:
    masked = shared()
    handing_on.shares_handed_on(masked.control.ports, masked.run, handed_on(clients=FIRST[9:]))
    assert masked.round.masks is not None
    assert masked.round.masks.rosters == {0: None}
    why = "7 clients of shard 0 have shared keys, fewer than the 11 of a sum that can be unmasked"
    assert masked.control.ledger.failed(RUN, 1) == dict.fromkeys(FIRST, why)


def test_the_aggregator_is_not_asked_for_a_shard_of_which_too_few_have_shared() -> None:
    masked = shared([*FIRST[:7], *SECOND])
    assert handing_on.next_step(masked.control.ports, masked.snapshot) is not None
    assert masked.round.masks is not None
    assert masked.round.masks.rosters == {0: None}
    assert set(masked.control.ledger.failed(RUN, 1)) == set(FIRST)
    assert handing_on.next_step(masked.control.ports, masked.snapshot) is None
    asked = handing_on.commands(masked.run.plan, masked.round, masked.snapshot.tally)
    assert asked == [HandOnShares(run_id=RUN, round=1, shard=1)]


@pytest.mark.parametrize("fact", [handed_on(2), handed_on(0)], ids=["no such shard", "again"])
def test_a_fact_that_the_round_does_not_wait_for_changes_nothing(fact: SharesHandedOn) -> None:
    masked = shared()
    handing_on.shares_handed_on(masked.control.ports, masked.run, handed_on())
    before = masked.snapshot
    assert handing_on.shares_handed_on(masked.control.ports, masked.run, fact) is None
    assert masked.snapshot == before


@pytest.mark.parametrize("phase", [phase for phase in RoundPhase if phase is not RoundPhase.HANDING_ON])
def test_rosters_are_taken_in_their_phase_only(phase: RoundPhase) -> None:
    masked = MaskedControl(phase)
    assert handing_on.shares_handed_on(masked.control.ports, masked.run, handed_on()) is None
    assert masked.control.ledger.failed(RUN, 1) == {}


def test_a_client_of_another_shard_is_on_no_roster() -> None:
    masked = shared()
    handing_on.shares_handed_on(masked.control.ports, masked.run, handed_on(clients=[*FIRST[:11], *SECOND]))
    assert set(masked.control.ledger.failed(RUN, 1)) == set(FIRST[11:])
