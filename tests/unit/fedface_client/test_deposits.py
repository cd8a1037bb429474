"""What keeps a client of a masked round from its deposit, and what becomes of it and of the others then."""

from __future__ import annotations

from typing import Any

import pytest
import structlog

from fedface_core.contracts import object_keys
from fedface_core.domain.commands import HandleFact, RegisterDevices, RevealShares, ShareKeys, SignAcceptedSet
from fedface_core.domain.deposit import Deposit
from fedface_core.domain.errors import UnavailableError
from fedface_core.domain.facts import RoundReady
from fedface_core.domain.ids import client_id
from fedface_core.domain.round import RoundPhase
from fedface_core.secure_aggregation.device import DeviceKeys
from fedface_core.secure_aggregation.simulated_device import simulated_device
from support.masked_run import MaskedRun, small_masked_plan

RUN = "run-0123456789ab"
VICTIM = client_id(2)
OTHERS = tuple(client_id(index) for index in range(16) if client_id(index) != VICTIM)


def begun() -> MaskedRun:
    """A run whose devices are to register."""
    run = MaskedRun(small_masked_plan(secure_aggregation={"corrupt": 0.1, "minimum": 4}), RUN)
    run.open(0)
    return run


def register_as(run: MaskedRun, keys: DeviceKeys) -> None:
    run.ports.artifacts.put(object_keys.device(RUN, VICTIM), keys.model_dump_json().encode())


def hints(run: MaskedRun) -> int:
    facts = [command.fact for command in run.publisher.commands if isinstance(command, HandleFact)]
    return sum(isinstance(fact, RoundReady) for fact in facts)


def test_the_first_device_that_registers_counts_and_another_one_fails() -> None:
    run = begun()
    stranger = simulated_device(99, VICTIM).public_keys
    register_as(run, stranger)
    run.ask(RegisterDevices, run.current.cohort)
    assert "is known by the keys of another device" in run.ledger.failed(RUN, 0)[VICTIM]
    assert run.ledger.deposits(RUN, 0, Deposit.DEVICE_KEYS).keys() == set(OTHERS)
    assert DeviceKeys.model_validate_json(run.ports.artifacts.get(object_keys.device(RUN, VICTIM))) == stranger


def test_a_client_that_is_told_other_keys_as_its_own_shares_none() -> None:
    run = begun()
    run.ask(RegisterDevices, run.current.cohort)
    register_as(run, simulated_device(99, VICTIM).public_keys)
    run.come_to(RoundPhase.SHARING)
    run.ask(ShareKeys, run.current.cohort)
    assert "with other keys than those of its own device" in run.ledger.failed(RUN, 0)[VICTIM]
    assert run.ledger.deposits(RUN, 0, Deposit.KEY_BUNDLE).keys() == set(OTHERS)


def test_control_is_told_once_when_the_shard_has_done_all_and_again_when_it_is_repeated() -> None:
    run = begun()
    run.ask(RegisterDevices, OTHERS)
    assert hints(run) == 0
    run.ask(RegisterDevices, [VICTIM])
    assert hints(run) == 1
    run.ask(RegisterDevices, [VICTIM])
    assert hints(run) == 2, "the first message may have got lost"


def test_an_unexpected_error_at_work_for_one_client_is_counted_and_the_others_have_their_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = begun()

    def breaks(seed: int, client: str) -> Any:
        if client == VICTIM:
            raise ZeroDivisionError("a bug")
        return simulated_device(seed, client)

    monkeypatch.setattr("fedface_client.deposits.simulated_device", breaks)
    for _ in range(run.plan.cohort.attempts):
        with pytest.raises(ZeroDivisionError) as error:
            run.ask(RegisterDevices, run.current.cohort)
        assert error.value.__notes__ == [f"at work for {VICTIM}"]
    assert run.ledger.deposits(RUN, 0, Deposit.DEVICE_KEYS).keys() == set(OTHERS)
    assert "gave up after 3 attempts: ZeroDivisionError" in run.ledger.failed(RUN, 0)[VICTIM]


def test_if_the_store_is_away_no_attempt_is_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    run = begun()

    def away(*_: Any) -> bool:
        raise UnavailableError("the store is away")

    for _ in range(run.plan.cohort.attempts + 1):
        with monkeypatch.context() as patch:
            patch.setattr(run.ports.artifacts, "put_once", away)
            with pytest.raises(UnavailableError):
                run.ask(RegisterDevices, [VICTIM])
    run.ask(RegisterDevices, [VICTIM])
    assert VICTIM in run.ledger.deposits(RUN, 0, Deposit.DEVICE_KEYS)


def test_a_command_of_an_earlier_life_of_the_run_does_nothing() -> None:
    run = begun()
    run.run = run.run.model_copy(update={"correlation_id": "0" * 32})
    run.ask(RegisterDevices, run.current.cohort)
    assert run.ledger.deposits(RUN, 0, Deposit.DEVICE_KEYS) == {}


def test_a_device_that_does_not_respond_deposits_nothing_and_is_not_settled() -> None:
    run = MaskedRun(small_masked_plan(secure_aggregation={"corrupt": 0.1, "minimum": 4}, devices={"dropout": 0.9}), RUN)
    run.whole_round(0)
    run.open(1)
    run.ask(ShareKeys, run.current.cohort)
    assert len(run.ledger.deposits(RUN, 1, Deposit.KEY_BUNDLE)) < 10
    assert run.ledger.failed(RUN, 1) == {}


def test_what_is_asked_for_in_another_phase_is_not_made() -> None:
    run = begun()
    run.ask(ShareKeys, run.current.cohort)
    run.ask(RevealShares, run.current.cohort)
    assert run.ledger.deposits(RUN, 0, Deposit.KEY_BUNDLE) == {}
    assert not [key for key in run.store.keys("runs/") if object_keys.kind(key) in ("key_bundle", "revelation")]


def test_of_several_errors_each_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    run = begun()

    def breaks(seed: int, client: str) -> Any:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("fedface_client.deposits.simulated_device", breaks)
    with structlog.testing.capture_logs() as logs, pytest.raises(ZeroDivisionError):
        run.ask(RegisterDevices, run.current.cohort)
    reasons = [record["reason"] for record in logs if record["event"] == "deposit_failed"]
    assert len(reasons) == 16
    assert all("ZeroDivisionError" in reason for reason in reasons)


def test_a_signature_that_is_damaged_is_named_and_those_of_the_others_are_enough() -> None:
    run = MaskedRun(small_masked_plan(secure_aggregation={"corrupt": 0.1, "minimum": 4, "against": "lying"}), RUN)
    run.open(0)
    run.share(run.current.cohort)
    run.hand_on()
    run.make_updates(run.current.cohort)
    run.close()
    run.ask(SignAcceptedSet, run.current.cohort)
    run.ports.artifacts.put(object_keys.signature(RUN, 0, VICTIM), b"{}")
    with structlog.testing.capture_logs() as logs:
        run.ask(RevealShares, OTHERS[:1])
    refused = [record for record in logs if record["event"] == "signature_refused"]
    assert {record["signer"] for record in refused} == {VICTIM}
    assert run.ledger.deposits(RUN, 0, Deposit.REVELATION).keys() == {OTHERS[0]}
