"""Updates are hostile until checked: each wrong one is refused with its reason and counted, and the round goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fedface_client.invitation import Invitation
from fedface_core.adapters.memory import MemoryArtifacts
from fedface_core.contracts import object_keys
from fedface_core.domain.commands import TrainClients
from fedface_core.domain.ids import client_id
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.run import RunPhase
from fedface_core.runtime.metrics import CountedArtifacts
from fedface_core.signing.trailer import TRAILER_BYTES
from fedface_learning.client.update import Update
from fedface_learning.formats.class_embeddings import decode_class_embeddings
from fedface_learning.formats.codec import decode_tensors, encode_tensors, sha256_hex
from support.client_updates import change_updates
from support.in_process import InProcess
from support.metrics import counter
from support.tiny_run import tiny_plan

EVERYONE = tuple(client_id(index) for index in range(4))
VICTIM = EVERYONE[1]

Tamper = Callable[[Update], Update]


def uploaded(data: bytes, honest: Update, **accepted: object) -> Update:
    """An upload of ``data``, whose declaration is correct except for the values of ``accepted``."""
    declared = {"sha256": sha256_hex(data), "size": len(data)} | accepted
    return Update(data, honest.accepted.model_copy(update=declared))


def with_tensors(change: Callable[[dict[str, Tensor]], None]) -> Tamper:
    def tamper(honest: Update) -> Update:
        tensors, metadata = decode_tensors(honest.data)
        change(tensors)
        return uploaded(encode_tensors(tensors, metadata), honest)

    return tamper


def first(tensors: dict[str, Tensor]) -> str:
    return min(tensors)


def poison(value: float) -> Callable[[dict[str, Tensor]], None]:
    def change(tensors: dict[str, Tensor]) -> None:
        tensors[first(tensors)].view(-1)[0] = value

    return change


def reshape(tensors: dict[str, Tensor]) -> None:
    tensors[first(tensors)] = torch.zeros(3, 5)


def widen(tensors: dict[str, Tensor]) -> None:
    tensors[first(tensors)] = tensors[first(tensors)].double()


def rename(tensors: dict[str, Tensor]) -> None:
    tensors["__reduce__"] = tensors.pop(first(tensors))


# Faults that an upload can have in training and at enrolment.
WRONG_UPLOADS: dict[str, tuple[str, Tamper]] = {
    "truncated": ("malformed", lambda honest: uploaded(honest.data[:-10], honest)),
    "empty": ("malformed", lambda honest: uploaded(b"\0", honest)),
    "pickle": ("malformed", lambda honest: uploaded(b"\x80\x04cposix\nsystem\n.", honest)),
    "nan": ("not_finite", with_tensors(poison(float("nan")))),
    "infinite": ("not_finite", with_tensors(poison(float("-inf")))),
    "shape": ("wrong_shape", with_tensors(reshape)),
    "dtype": ("wrong_dtype", with_tensors(widen)),
    "names": ("wrong_tensors", with_tensors(rename)),
    "large": ("too_large", lambda honest: uploaded(honest.data + bytes(100_000), honest)),
    "changed": ("changed", lambda honest: Update(honest.data[:-1] + b"!", honest.accepted)),
    "weight": ("wrong_image_count", lambda honest: uploaded(honest.data, honest, images=1_000_000)),
}
WRONG_TRAINING: dict[str, tuple[str, Tamper]] = WRONG_UPLOADS | {
    "far": ("norm_exceeded", with_tensors(poison(1e6))),
    "no loss": ("malformed", lambda honest: uploaded(honest.data, honest, loss_after=None)),
    "another model": ("wrong_model", lambda honest: uploaded(honest.data, honest, started_from="0" * 64)),
    "no model": ("wrong_model", lambda honest: uploaded(honest.data, honest, started_from=None)),
    "infinite loss": ("malformed", lambda honest: uploaded(honest.data, honest, loss_before=float("inf"))),
}


def sabotage(monkeypatch: pytest.MonkeyPatch, tamper: Tamper, *victims: str, kind: RoundKind = RoundKind.TRAINING) -> None:
    """Have the victims upload a tampered update in each round of this kind."""

    def change(invitation: Invitation, honest: Update) -> Update:
        chosen = invitation.client_id in victims and invitation.opened_round.kind is kind
        return tamper(honest) if chosen else honest

    change_updates(monkeypatch, change)


@pytest.fixture(scope="module")
def model_without_the_victim(faces: Path) -> str | None:
    """The model of the other clients alone, which every refusal must result in."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        sabotage(monkeypatch, WRONG_UPLOADS["nan"][1], VICTIM)
        return InProcess(tiny_plan(faces)).run().model_sha256


@pytest.mark.parametrize(("reason", "tamper"), WRONG_TRAINING.values(), ids=WRONG_TRAINING.keys())
def test_a_wrong_update_is_refused_with_its_reason(
    faces: Path,
    monkeypatch: pytest.MonkeyPatch,
    model_without_the_victim: str,
    reason: str,
    tamper: Tamper,
) -> None:
    before = counter("updates", outcome="refused", reason=reason)
    sabotage(monkeypatch, tamper, VICTIM)
    services = InProcess(tiny_plan(faces))
    run = services.run()
    assert run.phase is RunPhase.COMPLETED
    for number in (1, 2):
        aggregation = services.manifest(run.id, number).round.aggregation
        assert aggregation is not None
        assert aggregation.refused == {VICTIM: reason}
        assert (aggregation.folded, aggregation.images) == (3, 6)
    assert counter("updates", outcome="refused", reason=reason) == before + 2
    assert run.model_sha256 == model_without_the_victim


def test_an_update_that_vanished_is_refused(
    faces: Path, monkeypatch: pytest.MonkeyPatch, model_without_the_victim: str
) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    train = services.handlers[TrainClients]

    def train_then_lose(command: TrainClients, correlation_id: str) -> None:
        train(command, correlation_id)
        if VICTIM in command.clients:
            services.ports.artifacts.delete(object_keys.update(run_id, command.round, VICTIM))

    services.handlers[TrainClients] = train_then_lose
    run = services.to_end(run_id)
    aggregation = services.manifest(run_id, 2).round.aggregation
    assert aggregation is not None
    assert aggregation.refused == {VICTIM: "missing"}
    assert run.model_sha256 == model_without_the_victim


@pytest.mark.parametrize("fault", ["large", "another model"])
def test_an_update_that_the_ledger_gives_away_is_not_downloaded(
    faces: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    sabotage(monkeypatch, WRONG_TRAINING[fault][1], VICTIM)
    services = InProcess(tiny_plan(faces, rounds=1), artifacts=CountedArtifacts(MemoryArtifacts()))
    before = counter("artifact_bytes", operation="get", kind="update")
    run = services.run()
    accepted = [services.manifest(run.id, number).accepted for number in (0, 1)]
    wrong = accepted[1][VICTIM]
    assert wrong.size > 100_000 or wrong.started_from == "0" * 64
    downloaded = counter("artifact_bytes", operation="get", kind="update") - before
    sizes = [update.size for of_round in accepted for update in of_round.values() if update != wrong]
    # The signature is read to be checked, and again at the end of the object.
    assert downloaded == sum(sizes) + TRAILER_BYTES * len(sizes)


@pytest.mark.parametrize(("reason", "tamper"), WRONG_UPLOADS.values(), ids=WRONG_UPLOADS.keys())
def test_a_wrong_enrolment_is_refused_and_its_client_not_invited_again(
    faces: Path, monkeypatch: pytest.MonkeyPatch, reason: str, tamper: Tamper
) -> None:
    sabotage(monkeypatch, tamper, VICTIM, kind=RoundKind.ENROLMENT)
    services = InProcess(tiny_plan(faces, rounds=1))
    run = services.run()
    assert run.phase is RunPhase.COMPLETED
    enrolment = services.manifest(run.id, 0)
    first_round = services.manifest(run.id, 1)
    assert enrolment.round.aggregation is not None
    assert enrolment.round.aggregation.refused == {VICTIM: reason}
    assert enrolment.enrolled == first_round.round.cohort == ("client-000000", "client-000002", "client-000003")


def test_if_every_update_is_refused_the_run_fails_and_says_why(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sabotage(monkeypatch, WRONG_UPLOADS["nan"][1], *EVERYONE)
    services = InProcess(tiny_plan(faces, cohort={"retries": 0}))
    run = services.run()
    assert run.phase is RunPhase.FAILED
    refused = ", ".join(f"{client} (not_finite)" for client in EVERYONE)
    assert run.failure == f"round 1: 0 updates could be used, fewer than the minimum 1; refused: {refused}"
    assert services.ports.ledger.load_round(run.id, 1).phase == "abandoned"


def test_if_every_enrolment_is_refused_the_run_fails_and_says_why(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sabotage(monkeypatch, WRONG_UPLOADS["shape"][1], *EVERYONE, kind=RoundKind.ENROLMENT)
    run = InProcess(tiny_plan(faces)).run()
    assert run.phase is RunPhase.FAILED
    assert run.failure is not None
    assert run.failure.startswith("round 0: 0 updates could be used, fewer than the minimum 1; refused: client-000000")


def test_with_too_few_usable_updates_the_run_fails_although_enough_were_accepted(
    faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sabotage(monkeypatch, WRONG_UPLOADS["shape"][1], VICTIM)
    run = InProcess(tiny_plan(faces, cohort={"minimum": 4, "retries": 0})).run()
    assert run.phase is RunPhase.FAILED
    assert run.failure == f"round 1: 3 updates could be used, fewer than the minimum 4; refused: {VICTIM} (wrong_shape)"


@pytest.mark.parametrize("victims", [(3,), (0,), (2, 3), (0, 1)])
def test_a_shard_without_a_usable_update_does_not_hold_the_round_up(
    faces: Path, monkeypatch: pytest.MonkeyPatch, victims: tuple[int, ...]
) -> None:
    """The first or the last shard, of one or two clients, has no usable update: its partial has no tensors."""
    names = [EVERYONE[index] for index in victims]
    sabotage(monkeypatch, WRONG_UPLOADS["nan"][1], *names)
    services = InProcess(tiny_plan(faces, rounds=1, cohort={"shard_size": len(victims)}))
    run = services.run()
    assert (run.phase, run.failure) == (RunPhase.COMPLETED, None)
    aggregation = services.manifest(run.id, 1).round.aggregation
    assert aggregation is not None
    assert aggregation.refused == dict.fromkeys(names, "not_finite")
    assert aggregation.folded == 4 - len(names)


def scale(tensors: dict[str, Tensor]) -> None:
    tensors["class_embedding"] *= 1.01


def vanish(tensors: dict[str, Tensor]) -> None:
    tensors["class_embedding"].zero_()


def lengthen(tensors: dict[str, Tensor]) -> None:
    tensors["class_embedding"] = torch.ones(5)


def not_a_number(tensors: dict[str, Tensor]) -> None:
    tensors["class_embedding"][0] = float("nan")


def narrow(tensors: dict[str, Tensor]) -> None:
    tensors["class_embedding"] = tensors["class_embedding"].half()


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("norm_exceeded", scale),
        ("norm_exceeded", vanish),
        ("wrong_shape", lengthen),
        ("not_finite", not_a_number),
        ("wrong_dtype", narrow),
        ("wrong_tensors", lambda tensors: tensors.pop("class_embedding")),
    ],
)
def test_a_wrong_class_embedding_is_refused_and_its_row_stays(
    faces: Path, monkeypatch: pytest.MonkeyPatch, reason: str, change: Callable[[dict[str, Tensor]], None]
) -> None:
    sabotage(monkeypatch, with_tensors(change), VICTIM)
    services = InProcess(tiny_plan(faces, strategy="fedaws", spreadout={"steps": 0}))
    run = services.run()
    assert run.phase is RunPhase.COMPLETED
    rows = []
    for number in (0, 1, 2):
        aggregation = services.manifest(run.id, number).round.aggregation
        assert aggregation is not None
        assert aggregation.refused == ({VICTIM: reason} if number else {})
        key = object_keys.class_embeddings(run.id, aggregation.class_embeddings_sha256 or "")
        rows.append(decode_class_embeddings(services.ports.artifacts.get(key), 4))
    assert torch.equal(rows[0][1], rows[2][1])
    assert not torch.equal(rows[0][2], rows[2][2])


def test_a_tensor_that_the_strategy_does_not_ask_for_is_refused(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def smuggle(tensors: dict[str, Tensor]) -> None:
        tensors["class_embedding"] = torch.eye(4)[0]

    sabotage(monkeypatch, with_tensors(smuggle), VICTIM)
    services = InProcess(tiny_plan(faces))
    aggregation = services.manifest(services.run().id, 1).round.aggregation
    assert aggregation is not None
    assert aggregation.refused == {VICTIM: "wrong_tensors"}
