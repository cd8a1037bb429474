"""Whatever a client leaves for its next round, or lists as the people of a run, or sends, costs nobody else anything.

A residual is the client's own memory, an identity list is the run's. Both lie in the store, where a client worker puts them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from fedface_client.attempt import Attempt
from fedface_client.invitation import Invitation
from fedface_core.contracts import object_keys
from fedface_core.domain.commands import EnrolClients, FoldShard, HandleFact, TrainClients
from fedface_core.domain.data_error import DataError
from fedface_core.domain.errors import NotFoundError
from fedface_core.domain.facts import IdentitiesListed, OwnedStep, RoundReady, StepFailed
from fedface_core.domain.run import RunPhase
from fedface_core.domain.update import AcceptedUpdate
from fedface_core.signing.life import working_for
from fedface_learning.client.update import Update
from fedface_learning.data import ANYWHERE
from fedface_learning.formats.codec import encode_tensors, sha256_hex
from fedface_learning.updates.encoding import update_encoding_of
from fedface_worker.workbench import Workbench
from support.in_process import InProcess
from support.tiny_run import tiny_plan, write_faces

ATTACKER = "client-000001"
FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@cache
def in_round_2() -> tuple[InProcess, str]:
    """A run whose round 2 is open, and whose clients have residuals of round 1."""
    plan = tiny_plan(write_faces(Path(mkdtemp())), rounds=2, update_encoding={"name": "top-k", "share": 0.2})
    services = InProcess(plan)
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 2)
    return services, run_id


class LedgerWith:
    """The ledger of a run, with another acceptance of the attacker in round 1. A client worker may write any."""

    def __init__(self, ledger: Any, acceptance: AcceptedUpdate) -> None:
        self._ledger = ledger
        self._acceptance = acceptance

    def accepted(self, run_id: str, number: int, clients: Iterable[str] | None = None) -> Mapping[str, AcceptedUpdate]:
        """The acceptances, of which the attacker's is the changed one."""
        stored: dict[str, AcceptedUpdate] = self._ledger.accepted(run_id, number, clients)
        return stored | {ATTACKER: self._acceptance} if number == 1 and ATTACKER in stored else stored

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)


def train_with_residual(data: bytes) -> Update | str:
    """Have the attacker train in round 2 with these bytes as its residual. Returns its update, or why it has failed."""
    services, run_id = in_round_2()
    ledger = services.ports.ledger
    acceptance = ledger.accepted(run_id, 1, [ATTACKER])[ATTACKER].model_copy(update={"residual_sha256": sha256_hex(data)})
    key = object_keys.residual(run_id, 1, ATTACKER, sha256_hex(data))
    services.ports.artifacts.put(key, data)
    ports: Any = replace(services.ports, ledger=LedgerWith(ledger, acceptance))
    failed: list[str] = []
    correlation_id = ledger.load(run_id).correlation_id
    opened_round = ledger.load_round(run_id, 2)
    assert ATTACKER in opened_round.residuals
    workbench = Workbench(ports, roots=ANYWHERE)
    with working_for(correlation_id), pytest.MonkeyPatch.context() as patch:
        patch.setattr("fedface_client.attempt.fail", lambda _ports, _invitation, reason: failed.append(reason))
        attempt = Attempt.begin(workbench, Invitation(services.plan, opened_round, ATTACKER, correlation_id))
        assert attempt is not None
        update = attempt.make_update()
        ledger.take_back_attempt(run_id, 2, ATTACKER)
    if update is None:
        (reason,) = failed
        return reason
    assert isinstance(update, Update)
    assert failed == []
    return update


def honest_residual() -> bytes:
    services, run_id = in_round_2()
    sha256 = services.ports.ledger.accepted(run_id, 1, [ATTACKER])[ATTACKER].residual_sha256
    assert sha256 is not None
    return services.ports.artifacts.get(object_keys.residual(run_id, 1, ATTACKER, sha256))


def count() -> int:
    return update_encoding_of(in_round_2()[0].plan).count


@FEW
@given(data=st.binary(max_size=300))
def test_any_bytes_for_a_residual(data: bytes) -> None:
    assert isinstance(train_with_residual(data), str)


@FEW
@given(
    places=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True, allow_subnormal=False), st.integers(0, 255)), min_size=1, max_size=8
    )
)
def test_any_changed_bytes_of_a_residual(places: list[tuple[float, int]]) -> None:
    """The attacker trains with what is still a residual, or fails with the reason; no exception leaves its attempt."""
    data = bytearray(honest_residual())
    for place, value in places:
        data[int(place * len(data))] = value
    train_with_residual(bytes(data))


SPOILED: dict[str, tuple[Callable[[], bytes], str]] = {
    "one number for all": (lambda: encode_tensors({"residual_P": torch.ones(1)}), "float32 numbers"),
    "too few numbers": (lambda: encode_tensors({"residual_P": torch.ones(count() - 1)}), "float32 numbers"),
    "too long": (lambda: encode_tensors({"residual_P": torch.ones(count() + 5000)}), "at most"),
    "doubles": (lambda: encode_tensors({"residual_P": torch.ones(count() // 4, dtype=torch.float64)}), "float64"),
    "not a number": (lambda: encode_tensors({"residual_P": torch.full((count(),), float("nan"))}), "finite"),
    "no tensor": (lambda: encode_tensors({}), "a residual is one tensor"),
    "nothing": (lambda: b"", "safetensors"),
}


@pytest.mark.parametrize(("spoil", "reason"), SPOILED.values(), ids=SPOILED.keys())
def test_a_spoiled_residual_fails_its_client_with_the_reason(spoil: Callable[[], bytes], reason: str) -> None:
    failed = train_with_residual(spoil())
    assert isinstance(failed, str)
    assert reason in failed


def test_an_honest_residual_is_used() -> None:
    assert isinstance(train_with_residual(honest_residual()), Update)


@FEW
@given(data=st.binary(max_size=100) | st.text("0123456789abcdef\n", max_size=60).map(str.encode), named=st.booleans())
def test_any_bytes_for_an_identity_list(data: bytes, named: bool) -> None:
    """No other list is taken for the run's people, whether it has the digest that the run names or not."""
    services, run_id = in_round_2()
    current = services.ports.ledger.load_round(run_id, 2)
    sha256 = sha256_hex(data) if named else "0" * 64
    services.ports.artifacts.put(object_keys.identity_list(run_id, sha256), data)
    workbench = Workbench(services.ports, roots=ANYWHERE)
    with pytest.raises(DataError, match="people"):
        workbench.photographs(services.plan, current.model_copy(update={"identity_list_sha256": sha256}))


@pytest.mark.parametrize("listed", ["0" * 64, None], ids=["another", "cannot be listed"])
def test_a_worker_that_lists_no_people_ends_that_run_with_the_reason(faces: Path, listed: str | None) -> None:
    """It may end a run before its first round, and no other run."""
    services = InProcess(tiny_plan(faces, rounds=1))
    other = services.start()
    run_id = services.start()
    fact: IdentitiesListed | StepFailed = StepFailed(
        run_id=run_id, step=OwnedStep.LIST_IDENTITIES, round=None, reason="I will not"
    )
    if listed is not None:
        correlation_id = services.ports.ledger.load(run_id).correlation_id
        fact = IdentitiesListed(run_id=run_id, correlation_id=correlation_id, identity_list_sha256=listed)
    services.deliver(HandleFact(run_id=run_id, fact=fact), "forged")
    failed = services.to_end(run_id)
    assert failed.phase is RunPhase.FAILED
    assert "I will not" in (failed.failure or "") if listed is None else "people" in (failed.failure or "")
    assert services.to_end(other).phase is RunPhase.COMPLETED


_ROUNDS = st.integers(0, 3) | st.just(10**9)
_CLIENTS = st.lists(st.integers(0, 5), min_size=1, max_size=4, unique=True).map(
    lambda indices: tuple(f"client-{index:06d}" for index in sorted(indices))
)


def messages(run_id: str) -> st.SearchStrategy[BaseModel]:
    """Whatever a client worker may sign for a run that is under way."""
    preparation = StepFailed(run_id=run_id, step=OwnedStep.LIST_IDENTITIES, round=None, reason="forged")
    listed = IdentitiesListed(run_id=run_id, correlation_id="life", identity_list_sha256="0" * 64)
    settled = st.builds(lambda number: RoundReady(run_id=run_id, round=number, because="settled"), _ROUNDS)
    return st.one_of(
        st.builds(lambda fact: HandleFact(run_id=run_id, fact=fact), st.sampled_from([preparation, listed]) | settled),
        st.builds(lambda clients: EnrolClients(run_id=run_id, clients=clients), _CLIENTS),
        st.builds(
            lambda number, clients: TrainClients(run_id=run_id, round=max(1, number), clients=clients), _ROUNDS, _CLIENTS
        ),
        st.builds(lambda number, shard: FoldShard(run_id=run_id, round=number, shard=shard), _ROUNDS, st.integers(0, 9)),
    )


@cache
def undisturbed(faces: Path) -> str | None:
    return InProcess(tiny_plan(faces, rounds=1)).run().model_sha256


@cache
def a_plan() -> Path:
    return write_faces(Path(mkdtemp()))


@pytest.mark.slow
@settings(FEW, max_examples=10)
@given(data=st.data())
def test_any_messages_that_a_client_may_sign_change_no_model(data: st.DataObject) -> None:
    services = InProcess(tiny_plan(a_plan(), rounds=1))
    run_id = services.start()
    services.until(run_id, lambda run: run.round is not None)
    correlation_id = services.ports.ledger.load(run_id).correlation_id
    drawn = messages(run_id)
    for _ in range(data.draw(st.integers(1, 12), "how many")):
        message = data.draw(drawn, "message")
        with suppress(NotFoundError):  # it names no round of the run: the task ends with this error
            services.deliver(message, correlation_id)
        services.step()
    run = services.to_end(run_id)
    assert (run.phase, run.model_sha256) == (RunPhase.COMPLETED, undisturbed(a_plan()))
