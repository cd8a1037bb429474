"""A masked shard in the hands of its workers: whoever drops out, the partial is that of a run without masks.

Each phase is begun by the test, which stands for control.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from fedface_core.contracts import object_keys
from fedface_core.domain.deposit import Deposit
from fedface_core.domain.plan import Plan
from fedface_core.domain.update import AcceptedUpdate
from fedface_learning.aggregation import EnrolmentPartial, Partial, TrainingPartial
from support.masked_run import MASKS, MaskedRun, small_masked_plan

RUN = "run-0123456789ab"


def masked_plan(**changes: Any) -> Plan:
    return small_masked_plan(secure_aggregation=MASKS | changes)


def encoded(partial: Partial, size: int) -> bytes:
    """The partial's bytes, were so many bytes uploaded for it: only that differs, since masks make updates larger."""
    assert not partial.refused, partial.refused
    assert isinstance(partial, EnrolmentPartial | TrainingPartial)
    return b"".join(replace(partial, size=size).encoded_parts())


def without_masks(clients: set[str], enrolled: set[str]) -> tuple[EnrolmentPartial, TrainingPartial]:
    """The partials of enrolment and of round 1, in which these clients' updates were accepted, in a run without masks."""
    run = MaskedRun(small_masked_plan(), RUN)
    run.open(0)
    run.make_updates(enrolled)
    enrolment = run.fold()
    assert isinstance(enrolment, EnrolmentPartial)
    run.reduce()
    run.open(1)
    run.make_updates(clients)
    training = run.fold()
    assert isinstance(training, TrainingPartial)
    return enrolment, training


def names_nobody(partial: EnrolmentPartial) -> EnrolmentPartial:
    return EnrolmentPartial(
        unnamed_clients=partial.folded, unnamed_images=partial.enrolled_images, size=partial.size, sums=partial.sums
    )


class Dropouts:
    """Who is still there after each phase: some drop out in each, as many as the plan allows in all."""

    def __init__(self, draws: random.Random, most: int) -> None:
        self._draws = draws
        self._left = most

    def of(self, clients: set[str]) -> set[str]:
        gone = self._draws.randint(0, self._left)
        self._left -= gone
        return set(self._draws.sample(sorted(clients), len(clients) - gone))


def masked_round(run: MaskedRun, number: int, dropouts: Dropouts) -> tuple[Partial, set[str]]:
    """The partial of a round in which clients drop out, and whose updates are in it."""
    run.open(number)
    here = dropouts.of(set(run.current.cohort))
    run.share(here)
    run.hand_on()
    here = dropouts.of(here)
    run.make_updates(here)
    run.close()
    run.restart()
    run.reveal(dropouts.of(here))
    return run.fold(), here


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**31), against=st.sampled_from(["curious", "lying"]))
def test_the_partial_is_that_of_a_run_without_masks_whoever_drops_out(seed: int, against: str) -> None:
    draws = random.Random(seed)
    plan = masked_plan(against=against)
    run = MaskedRun(plan, RUN)
    enrolment, enrolled = masked_round(run, 0, Dropouts(draws, 2))
    run.reduce()
    cohort = len(enrolled)
    left = plan.mask_graph(cohort)
    training, trained = masked_round(run, 1, Dropouts(draws, min(5, left.degree - left.threshold)))
    plain_enrolment, plain_training = without_masks(trained, enrolled)
    assert encoded(enrolment, 1) == encoded(names_nobody(plain_enrolment), 1)
    assert encoded(training, 1) == encoded(plain_training, 1)


def test_all_rounds_of_a_run_have_the_models_of_one_without_masks() -> None:
    masked = MaskedRun(masked_plan(), RUN)
    plain = MaskedRun(small_masked_plan(), RUN)
    for number in range(3):
        for run in (masked, plain):
            run.whole_round(number)
        assert masked.model == plain.model
        assert masked.base is not None
        assert plain.base is not None
        assert masked.base.aggregation is not None
        assert plain.base.aggregation is not None
        ours = masked.base.aggregation.model_dump(exclude={"uploaded_bytes"})
        assert ours == plain.base.aggregation.model_dump(exclude={"uploaded_bytes"})


def test_repeated_tasks_make_the_same_bytes_and_whoever_reveals_makes_no_difference() -> None:
    run = MaskedRun(masked_plan(), RUN)
    run.open(0)
    cohort = run.current.cohort
    run.share(cohort)
    run.hand_on()
    run.make_updates(cohort)
    run.close()
    run.reveal(cohort)
    before = {key: run.store.get(key) for key in run.store.keys("")}
    partial = encoded(run.fold(), 1)
    again = MaskedRun(masked_plan(), RUN)
    again.open(0)
    for _ in range(2):
        again.share(cohort)
    again.hand_on()
    for _ in range(2):
        again.make_updates(cohort)
    again.close()
    again.reveal(cohort[4:])
    found = {key: again.store.get(key) for key in again.store.keys("")}
    assert found.items() <= before.items()
    missing = sorted(object_keys.kind(key) for key in before.keys() - found.keys())
    assert missing == ["journal"] * 8 + ["revelation"] * 4
    assert encoded(again.fold(), 1) == partial


def test_nothing_of_one_client_is_recorded_or_stored_in_the_clear() -> None:
    run = MaskedRun(masked_plan(), RUN)
    run.whole_round(0)
    run.open(1)
    run.share(run.current.cohort)
    run.hand_on()
    run.make_updates(run.current.cohort)
    for number in (0, 1):
        for update in run.ledger.accepted(RUN, number).values():
            assert (update.images, update.loss_before, update.loss_after) == (None, None, None)
    plain = MaskedRun(small_masked_plan(), RUN)
    plain.whole_round(0)
    residuals = {run.store.get(key) for key in run.store.keys(object_keys.residuals(RUN))}
    in_the_clear = [plain.store.get(key) for key in plain.store.keys(object_keys.residuals(RUN))]
    assert len(residuals) == 2 * len(in_the_clear)
    assert all(kept[-64:] not in sealed for kept in in_the_clear for sealed in residuals)


def test_who_drops_out_of_a_lying_servers_round_is_not_unmasked_without_signatures() -> None:
    """Fewer than the signers sign: nobody reveals, and the shard is refused as a whole."""
    run = MaskedRun(masked_plan(against="lying"), RUN)
    run.open(0)
    run.share(run.current.cohort)
    run.hand_on()
    run.make_updates(run.current.cohort)
    run.close()
    signers = run.plan.mask_graph(16).signers
    run.reveal(run.current.cohort[: signers - 1])
    assert run.ledger.deposits(RUN, 0, Deposit.REVELATION) == {}
    assert len(run.ledger.deposits(RUN, 0, Deposit.SIGNATURE)) == signers - 1
    partial = run.fold()
    assert partial.refused == dict.fromkeys(run.current.cohort, "not_unmasked")


def open_shard(number_of_updates: int = 16, **changes: Any) -> MaskedRun:
    """A run whose enrolment is open, and some of whose clients have delivered."""
    run = MaskedRun(masked_plan(**changes), RUN)
    run.open(0)
    run.share(run.current.cohort)
    run.hand_on()
    run.make_updates(run.current.cohort[:number_of_updates])
    return run


def test_with_too_few_revelations_the_shard_is_refused_and_says_whose_secret_is_missing() -> None:
    run = open_shard()
    run.close()
    threshold = run.plan.mask_graph(16).threshold
    run.reveal(run.current.cohort[:threshold])
    with structlog.testing.capture_logs() as logs:
        partial = run.fold()
    assert partial.refused == dict.fromkeys(run.current.cohort, "not_unmasked")
    (detail,) = {entry["detail"] for entry in logs if entry["event"] == "update_refused"}
    assert f"neighbours of client-000000 have revealed a right share of its self-mask, and {threshold} are needed" in detail


def test_a_sum_of_fewer_than_the_minimum_is_not_revealed_and_not_unmasked() -> None:
    run = open_shard(3)
    run.close()
    run.reveal(run.current.cohort[:3])
    assert run.ledger.deposits(RUN, 0, Deposit.REVELATION) == {}
    assert run.fold().refused == dict.fromkeys(run.current.cohort[:3], "not_unmasked")


def test_a_client_reveals_for_one_accepted_set_only() -> None:
    run = open_shard()
    closed = run.close()
    first, second, *_ = run.current.cohort
    run.reveal([first])
    assert run.ledger.deposits(RUN, 0, Deposit.REVELATION).keys() == {first}
    others = {client: sha256 for client, sha256 in closed.updates.items() if client != second}
    key = object_keys.accepted_set(RUN, 0, 0, closed.shard_round)
    run.ports.artifacts.put(key, closed.model_copy(update={"updates": others}).model_dump_json().encode())
    run.restart()
    before = run.store.get(object_keys.revelation(RUN, 0, first))
    run.reveal([first])
    assert run.store.get(object_keys.revelation(RUN, 0, first)) == before
    assert run.fold().refused == dict.fromkeys(run.current.cohort, "not_unmasked"), "the ledger has another set"


def test_an_update_that_was_changed_after_it_was_accepted_spoils_its_shard() -> None:
    run = open_shard()
    run.close()
    run.reveal(run.current.cohort)
    victim = run.current.cohort[3]
    other = run.ports.artifacts.get(object_keys.update(RUN, 0, run.current.cohort[4]))
    run.ports.artifacts.put(object_keys.update(RUN, 0, victim), other)
    assert run.fold().refused == dict.fromkeys(run.current.cohort, "changed")


@pytest.mark.parametrize("number", [0, 1])
def test_an_acceptance_of_an_update_from_another_model_spoils_its_shard(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    run = MaskedRun(masked_plan(), RUN)
    if number == 1:
        run.whole_round(0)
    run.open(number)
    run.share(run.current.cohort)
    run.hand_on()
    liar = run.current.cohort[3]
    accept = run.ledger.accept

    def accept_from_elsewhere(run_id: str, of_round: int, client: str, update: AcceptedUpdate) -> Any:
        changed = update.model_copy(update={"started_from": "f" * 64}) if client == liar else update
        return accept(run_id, of_round, client, changed)

    monkeypatch.setattr(run.ledger, "accept", accept_from_elsewhere)
    run.make_updates(run.current.cohort)
    run.close()
    run.reveal(run.current.cohort)
    with structlog.testing.capture_logs() as logs:
        partial = run.fold()
    assert partial.refused == dict.fromkeys(run.current.cohort, "wrong_model")
    details = {entry["detail"] for entry in logs if entry["event"] == "update_refused"}
    expected = run.model if number == 1 else None
    assert details == {f"the update of {liar} cannot be summed: it was trained from {'f' * 64}, not from {expected}"}


DAMAGES_OF_A_REVELATION: dict[str, Callable[[MaskedRun, str], None]] = {
    "it is missing": lambda run, key: run.store.delete(key),
    "it is not signed": lambda run, key: run.store.put(key, b"{}"),
    "it is another one": lambda run, key: run.ports.artifacts.put(key, b"{}"),
}


@pytest.mark.parametrize("damage", DAMAGES_OF_A_REVELATION)
def test_a_damaged_revelation_does_not_count_and_the_others_are_enough(damage: str) -> None:
    run = open_shard()
    run.close()
    run.reveal(run.current.cohort)
    victim = run.current.cohort[0]
    DAMAGES_OF_A_REVELATION[damage](run, object_keys.revelation(RUN, 0, victim))
    with structlog.testing.capture_logs() as logs:
        damaged = run.fold()
    assert [entry["client_id"] for entry in logs if entry["event"] == "revelation_refused"] == [victim]
    everybody = set(run.current.cohort)
    assert encoded(damaged, 1) == encoded(names_nobody(without_masks(everybody, everybody)[0]), 1)


@pytest.mark.parametrize("damage", [b"", b"{}", b"x" * 100])
def test_a_key_bundle_that_is_none_keeps_its_client_off_the_roster_with_the_reason(damage: bytes) -> None:
    run = MaskedRun(masked_plan(), RUN)
    run.open(0)
    run.share(run.current.cohort)
    victim = run.current.cohort[2]
    run.ports.artifacts.put(object_keys.key_bundle(RUN, 0, victim), damage)
    fact = run.hand_on()
    assert victim not in fact.clients
    assert len(fact.clients) == 15
    assert fact.refused.keys() == {victim}
    run.make_updates(run.current.cohort)
    assert victim not in run.ledger.accepted(RUN, 0)
    assert "not on the roster" in run.ledger.failed(RUN, 0)[victim]
    run.close()
    run.reveal(set(run.current.cohort) - {victim})
    assert not run.fold().refused


def test_a_roster_that_was_fixed_before_the_ledger_was_lost_stays() -> None:
    run = MaskedRun(masked_plan(), RUN)
    run.open(0)
    run.share(run.current.cohort[:12])
    first = run.hand_on()
    later = MaskedRun(masked_plan(), RUN)
    for key in run.store.keys(""):
        later.store.put(key, run.store.get(key))
    later.open(0)
    later.share(later.current.cohort)
    second = later.hand_on()
    assert (second.roster, second.clients) == (first.roster, first.clients)
    later.make_updates(later.current.cohort)
    assert later.ledger.accepted(RUN, 0).keys() == set(first.clients)
    later.close()
    later.reveal(first.clients)
    assert not later.fold().refused


def test_who_has_masked_for_one_roster_masks_for_no_other() -> None:
    """The store has lost the roster, but not the journals: clients refuse, and nothing comes out."""
    run = open_shard()
    for key in run.store.keys("runs/"):
        if object_keys.kind(key) in ("roster", "update"):
            run.store.delete(key)
    later = MaskedRun(masked_plan(), RUN)
    for key in run.store.keys(""):
        later.store.put(key, run.store.get(key))
    later.open(0)
    later.share(later.current.cohort[:12])
    later.hand_on()
    later.make_updates(later.current.cohort)
    assert later.ledger.accepted(RUN, 0) == {}
    reasons = later.ledger.failed(RUN, 0)
    assert all("another update, or for another roster" in reasons[client] for client in later.current.cohort[:12])
