"""With gaussian-negatives class embeddings stay with their clients; a hostile client spoils nobody's part of the sums."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fedface_client.invitation import Invitation
from fedface_core.access.permissions import Identity
from fedface_core.access.table import TABLE
from fedface_core.contracts import object_keys
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import RunPhase
from fedface_learning.client.update import Update
from fedface_learning.formats.codec import decode_tensors, encode_tensors, sha256_hex
from fedface_learning.objectives.class_sums import BEFORE_AND_AFTER, ClassSums, on_the_grid
from fedface_learning.strategies.mean_embeddings import MEAN_EMBEDDING
from fedface_learning.updates.class_parts import decode_kept, encode_kept
from support.client_updates import change_updates
from support.in_process import InProcess
from support.tiny_run import tiny_plan

VICTIM = "client-000001"
SIZE = 4


def plan_of(faces: Path, **changes: Any) -> Plan:
    settings: dict[str, Any] = {"strategy": "gaussian-negatives", "split": {"public": 2}, "rounds": 2}
    training = {"local_training": {"learning_rate": 0.001}}
    return tiny_plan(faces, **settings | training | changes)


def kept(services: InProcess, run_id: str, number: int, without: str | None = None) -> dict[str, Tensor]:
    """Client → the class embedding that it has kept of round ``number``, ``without`` one client."""
    artifacts = services.ports.artifacts
    found = {}
    for key in artifacts.keys(object_keys.residuals(run_id)):
        left_by, client = object_keys.parse_residual_key(key)
        if left_by == number and client != without:
            found[client] = decode_kept(artifacts.get(key), SIZE)
    return found


def sums_after(services: InProcess, run_id: str, number: int) -> ClassSums:
    aggregation = services.manifest(run_id, number).round.aggregation
    assert aggregation is not None
    data = services.ports.artifacts.get(object_keys.guidance(run_id, aggregation.guidance_sha256 or ""))
    return ClassSums.read(decode_tensors(data)[0], SIZE)


def assert_sums_of(found: ClassSums, class_embeddings: dict[str, Tensor]) -> None:
    expected = ClassSums.empty(SIZE)
    for row_D in class_embeddings.values():
        expected = expected + ClassSums.part_of(row_D)
    assert found.clients == expected.clients
    assert torch.equal(found.first_D, expected.first_D)
    assert torch.equal(found.second_DD, expected.second_DD)


def test_no_object_but_its_own_and_its_update_has_a_class_embedding(faces: Path) -> None:
    services = InProcess(plan_of(faces, retention={"rounds_of_updates": 100}))
    run = services.run()
    assert run.phase is RunPhase.COMPLETED
    artifacts = services.ports.artifacts
    own = [row_D for number in range(3) for row_D in kept(services, run.id, number).values()]
    assert len(own) == 12
    secret = [form for row_D in own for form in (row_D.numpy().tobytes(), row_D.double().numpy().tobytes())]
    having = {object_keys.kind(key) for key in artifacts.keys("") if any(form in artifacts.get(key) for form in secret)}
    assert having == {"residual", "update"}
    kinds = {object_keys.kind(key) for key in artifacts.keys("")}
    assert not kinds & {"row", "class_embedding"}
    readers = [identity for identity, may in TABLE.items() if may.store is not None and "residual" in may.store.reads]
    assert readers == [Identity.CLIENT], "what a client keeps is read by clients alone"


def test_the_updates_that_bring_parts_are_removed_and_the_sums_stay(faces: Path) -> None:
    services = InProcess(plan_of(faces, retention={"rounds_of_updates": 1}, rounds=4))
    run = services.run()
    rounds = {key.split("/")[3] for key in services.ports.artifacts.keys("") if object_keys.kind(key) == "update"}
    assert rounds == {"4"}
    assert_sums_of(sums_after(services, run.id, 4), kept(services, run.id, 4))


def test_sums_are_those_of_what_the_clients_keep(faces: Path) -> None:
    services = InProcess(plan_of(faces, retention={"rounds_of_updates": 100}))
    run = services.run()
    for number in range(3):
        assert_sums_of(sums_after(services, run.id, number), kept(services, run.id, number))


OTHER_D = on_the_grid(torch.tensor([1.0, -2.0, 3.0, 0.5]))


def with_embeddings(honest: Update, change: Callable[[Tensor], Tensor], *, keeps: bool = True) -> Update:
    """The update with other class embeddings (2, D), and with what its client says to keep to match."""
    tensors, metadata = decode_tensors(honest.data)
    rows_2D = change(tensors[BEFORE_AND_AFTER].clone())
    residual = encode_kept(rows_2D[-1].float()) if keeps else honest.residual
    residual_sha256 = sha256_hex(residual or b"")
    data = encode_tensors(tensors | {BEFORE_AND_AFTER: rows_2D}, metadata | {"residual_sha256": residual_sha256})
    declared = {"sha256": sha256_hex(data), "size": len(data), "residual_sha256": residual_sha256}
    return replace(honest, data=data, accepted=honest.accepted.model_copy(update=declared), residual=residual)


def both(before_D: Tensor | None, after_D: Tensor | None) -> Callable[[Tensor], Tensor]:
    def change(rows_2D: Tensor) -> Tensor:
        return torch.stack([rows_2D[0] if before_D is None else before_D, rows_2D[1] if after_D is None else after_D])

    return change


@pytest.mark.parametrize(
    ("reason", "tamper"),
    [
        ("changed", lambda honest: with_embeddings(honest, both(OTHER_D, None))),
        ("changed", lambda honest: with_embeddings(honest, both(None, OTHER_D), keeps=False)),
        ("norm_exceeded", lambda honest: with_embeddings(honest, both(None, 100 * OTHER_D))),
        ("norm_exceeded", lambda honest: with_embeddings(honest, both(None, torch.zeros(4)))),
        ("norm_exceeded", lambda honest: with_embeddings(honest, both(-100 * OTHER_D, None))),
        ("out_of_range", lambda honest: with_embeddings(honest, both(None, OTHER_D + 1e-6))),
        ("not_finite", lambda honest: with_embeddings(honest, both(None, torch.full((4,), torch.nan)))),
        ("wrong_shape", lambda honest: with_embeddings(honest, lambda rows_2D: rows_2D[:, :3])),
        ("wrong_dtype", lambda honest: with_embeddings(honest, lambda rows_2D: rows_2D.double())),
    ],
)
def test_a_hostile_part_is_refused_and_the_old_one_stays(
    faces: Path, monkeypatch: pytest.MonkeyPatch, reason: str, tamper: Callable[[Update], Update]
) -> None:
    def change(invitation: Invitation, honest: Update) -> Update:
        hostile = invitation.client_id == VICTIM and invitation.opened_round.number == 1
        return tamper(honest) if hostile else honest

    change_updates(monkeypatch, change)
    services = InProcess(plan_of(faces, retention={"rounds_of_updates": 100}))
    run = services.run()
    assert (run.phase, run.failure) == (RunPhase.COMPLETED, None)
    first, second = (services.manifest(run.id, number).round.aggregation for number in (1, 2))
    assert first is not None
    assert second is not None
    assert first.refused == {VICTIM: reason}
    assert second.refused == {}, "in the next round it goes on from its enrolment"
    own_D = kept(services, run.id, 0)[VICTIM]
    assert_sums_of(sums_after(services, run.id, 1), kept(services, run.id, 1, without=VICTIM) | {VICTIM: own_D})
    assert_sums_of(sums_after(services, run.id, 2), kept(services, run.id, 2))


def test_a_hostile_client_may_choose_its_unit_vector_and_no_more(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Round after round it puts in another one: its part never grows, since each takes the one before out."""

    def change(invitation: Invitation, honest: Update) -> Update:
        number = invitation.opened_round.number
        if invitation.client_id != VICTIM or number == 0:
            return honest
        return with_embeddings(honest, both(None, on_the_grid(torch.tensor([1.0, number, 0.0, 0.0]))))

    change_updates(monkeypatch, change)
    services = InProcess(plan_of(faces, rounds=4, retention={"rounds_of_updates": 100}))
    run = services.run()
    for number in range(1, 5):
        aggregation = services.manifest(run.id, number).round.aggregation
        assert aggregation is not None
        assert aggregation.refused == {}
        assert_sums_of(sums_after(services, run.id, number), kept(services, run.id, number))


def test_an_enrolment_that_does_not_keep_what_it_uploads_is_refused(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def change(invitation: Invitation, honest: Update) -> Update:
        if invitation.client_id != VICTIM or invitation.opened_round.number:
            return honest
        tensors, metadata = decode_tensors(honest.data)
        data = encode_tensors(tensors | {MEAN_EMBEDDING: OTHER_D}, metadata)
        declared = {"sha256": sha256_hex(data), "size": len(data)}
        return replace(honest, data=data, accepted=honest.accepted.model_copy(update=declared))

    change_updates(monkeypatch, change)
    services = InProcess(plan_of(faces))
    run = services.run()
    assert run.phase is RunPhase.COMPLETED
    enrolment = services.manifest(run.id, 0)
    assert enrolment.round.aggregation is not None
    assert enrolment.round.aggregation.refused == {VICTIM: "changed"}
    assert VICTIM not in services.manifest(run.id, 1).round.cohort
    assert sums_after(services, run.id, 2).clients == 3


def test_a_client_whose_class_embedding_is_lost_fails_with_the_reason(faces: Path) -> None:
    services = InProcess(plan_of(faces, rounds=1))
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 1)
    for key in services.ports.artifacts.keys(object_keys.residuals(run_id)):
        if object_keys.parse_residual_key(key) == (0, VICTIM):
            services.ports.artifacts.delete(key)
    assert services.to_end(run_id).phase is RunPhase.COMPLETED
    assert "the residual of round 0 is gone" in services.manifest(run_id, 1).failed[VICTIM]
