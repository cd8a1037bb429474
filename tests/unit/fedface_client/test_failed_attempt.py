"""What an error at work for a client does to its attempts, and to the reason with which it fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fedface_core.domain.commands import EnrolClients, TrainClients
from fedface_core.domain.errors import UnavailableError
from fedface_core.domain.failures import MOST_IN_A_ROW, PROCESS_ENDED, client_step
from fedface_core.domain.ids import client_id
from fedface_core.domain.run import Run
from support.client_updates import before_updates
from support.in_process import InProcess
from support.killing import Killed
from support.public_reasons import without_codes
from support.tiny_run import tiny_plan

VICTIM = client_id(1)


def in_training(run: Run) -> bool:
    return run.round == 1


class Trouble:
    """The errors that the victim meets, one at each try; a client that meets none trains."""

    def __init__(self, *errors: BaseException) -> None:
        self.left = list(errors)

    def __call__(self, client: str) -> None:
        if client == VICTIM and self.left:
            raise self.left.pop(0)


def in_round_1(faces: Path, monkeypatch: pytest.MonkeyPatch, attempts: int, *errors: BaseException) -> tuple[InProcess, str]:
    before_updates(monkeypatch, Trouble(*errors))
    services = InProcess(tiny_plan(faces, rounds=1, cohort={"attempts": attempts}))
    run_id = services.start()
    services.until(run_id, in_training)
    return services, run_id


def train(services: InProcess, run_id: str, times: int = 1) -> None:
    """Deliver tasks of the victim alone; an error drops the task."""
    command = next(command for command in services.publisher.commands if isinstance(command, EnrolClients | TrainClients))
    task = command.model_copy(update={"clients": (VICTIM,)})
    for _ in range(times):
        try:
            services.deliver_now(task)
        except Exception:
            continue


def failed(services: InProcess, run_id: str) -> dict[str, str]:
    """The failed clients with their reasons, of which each code is left out."""
    return {client: without_codes(reason) for client, reason in services.ports.ledger.failed(run_id, 1).items()}


def test_an_error_of_each_attempt_fails_the_client_with_the_last_one(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    services, run_id = in_round_1(faces, monkeypatch, 2, KeyError("eyes"), RuntimeError("no memory"))
    train(services, run_id)
    assert failed(services, run_id) == {}
    (failure,) = services.ports.ledger.failures(run_id, 1)
    assert (failure.step, without_codes(failure.reason)) == (client_step(VICTIM), "KeyError (code …)")
    train(services, run_id)
    assert failed(services, run_id) == {VICTIM: "gave up after 2 attempts: RuntimeError (code …)"}
    assert services.ports.ledger.failures(run_id, 1) == []


def test_a_killed_process_leaves_no_error_or_that_of_an_earlier_attempt(
    faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services, run_id = in_round_1(faces, monkeypatch, 2, Killed("1"), Killed("2"))
    train(services, run_id, times=3)
    assert failed(services, run_id) == {VICTIM: f"gave up after 2 attempts: {PROCESS_ENDED}"}
    services, run_id = in_round_1(faces, monkeypatch, 2, KeyError("eyes"), Killed("2"))
    train(services, run_id, times=3)
    assert failed(services, run_id) == {VICTIM: "gave up after 2 attempts: KeyError (code …)"}


def test_a_store_that_is_away_uses_up_no_attempt(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    away = [UnavailableError("S3 is away")] * 20
    services, run_id = in_round_1(faces, monkeypatch, 2, *away, KeyError("eyes"))
    train(services, run_id, times=22)
    assert failed(services, run_id) == {}
    assert VICTIM in services.ports.ledger.accepted(run_id, 1)


def test_a_delivery_that_fails_is_counted_as_well(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    services, run_id = in_round_1(faces, monkeypatch, 2)

    def full(*_: object, sha256: str | None = None) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(services.ports.artifacts, "put", full)
    train(services, run_id, times=2)
    assert failed(services, run_id) == {VICTIM: "gave up after 2 attempts: OSError (code …)"}


def test_a_client_whose_attempt_cannot_begin_fails_too(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    services, run_id = in_round_1(faces, monkeypatch, 2)

    def broken(*_: object) -> None:
        raise OverflowError("date value out of range")

    monkeypatch.setattr("fedface_client.device.behaviour", broken)
    train(services, run_id, times=MOST_IN_A_ROW - 1)
    assert failed(services, run_id) == {}
    train(services, run_id)
    assert failed(services, run_id) == {VICTIM: "gave up after 5 attempts: OverflowError (code …)"}


def test_a_client_that_nobody_awaits_is_left_alone(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    services, run_id = in_round_1(faces, monkeypatch, 1, KeyError("eyes"))
    current = services.ports.ledger.load_round(run_id, 1)
    before = services.ports.ledger.load(run_id)
    real = services.ports.ledger.begin_attempt

    def then_close(*args: Any) -> int:
        count = real(*args)
        services.ports.ledger.save(before, "round_closed", changed=current.closed(services.clock.now()))
        return count

    monkeypatch.setattr(services.ports.ledger, "begin_attempt", then_close)
    train(services, run_id)
    assert failed(services, run_id) == {}, "it was late"
