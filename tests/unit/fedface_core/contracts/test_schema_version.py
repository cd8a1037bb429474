"""Ids, names, keys and messages: what the services say to each other."""

from __future__ import annotations

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from fedface_core.contracts import object_keys
from fedface_core.contracts.schema_version import read_versioned
from fedface_core.contracts.tasks import QUEUES, ROUTES
from fedface_core.domain import commands, errors
from fedface_core.domain.errors import DamagedObjectError, UnknownSchemaError
from fedface_core.domain.facts import Fact, ModelPrepared, StepFailed
from fedface_core.domain.ids import ClientId, RunId, client_id, client_index, new_run_id
from fedface_core.domain.results import far_label

RUN = "run-0123456789ab"


@pytest.mark.parametrize(
    ("far", "label"),
    [(0.1, "1e-1"), (0.01, "1e-2"), (1e-3, "1e-3"), (1e-4, "1e-4"), (0.05, "5e-2"), (0.5, "5e-1"), (2.5e-5, "2.5e-5")],
)
def test_a_false_accept_rate_is_named_as_in_tables(far: float, label: str) -> None:
    assert far_label(far) == label


@given(st.floats(1e-6, 0.999))
def test_a_label_reads_back_as_its_rate(far: float) -> None:
    assert float(far_label(far)) == pytest.approx(far, rel=1e-5)


@given(st.integers(0, 999_999))
def test_a_client_id_names_its_row(index: int) -> None:
    assert client_index(client_id(index)) == index
    TypeAdapter(ClientId).validate_python(client_id(index))


@given(st.lists(st.integers(0, 999_999)))
def test_client_order_is_row_order(indices: list[int]) -> None:
    assert [client_index(client) for client in sorted(map(client_id, indices))] == sorted(indices)


def test_run_ids_are_valid_and_new() -> None:
    ids = {new_run_id() for _ in range(100)}
    assert len(ids) == 100
    for run_id in ids:
        TypeAdapter(RunId).validate_python(run_id)


@pytest.mark.parametrize(
    "wrong", ["", "run-1", "run-0123456789AB", "../etc/passwd", "run-0123456789ab/..", "run-0123456789ab\n"]
)
def test_a_message_cannot_name_a_key_outside_its_run(wrong: str) -> None:
    with pytest.raises(ValidationError):
        commands.PrepareModel(run_id=wrong)
    with pytest.raises(ValidationError):
        commands.EnrolClients(run_id=RUN, clients=(wrong,))


def test_every_command_has_one_route() -> None:
    """A command without one could not be published; the harness checks that each has a service."""
    kinds = {kind for _, kind in inspect.getmembers(commands, inspect.isclass) if kind.__module__ == commands.__name__}
    assert kinds - {commands.Command} == ROUTES.keys()
    assert len({route.task for route in ROUTES.values()}) == len(ROUTES)
    assert {route.queue for route in ROUTES.values()} == set(QUEUES)
    assert all(route.task.split(".")[0] == route.queue for route in ROUTES.values())


MESSAGES: list[BaseModel] = [
    commands.PrepareModel(run_id=RUN),
    commands.EnrolClients(run_id=RUN, clients=(client_id(3),)),
    commands.TrainClients(run_id=RUN, round=1, clients=(client_id(3),)),
    commands.FoldShard(run_id=RUN, round=0, shard=2),
    commands.ReduceRound(run_id=RUN, round=0),
    commands.EvaluateModel(run_id=RUN, round=4),
    commands.HandleFact(run_id=RUN, fact=ModelPrepared(run_id=RUN, model_sha256="a" * 64)),
    commands.HandleFact(run_id=RUN, fact=StepFailed(run_id=RUN, round=None, reason="no disk")),
    commands.Sweep(),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_survives_json_and_refuses_what_it_does_not_know(message: BaseModel) -> None:
    body = message.model_dump(mode="json")
    assert type(message).model_validate(body) == message
    for changed in (body | {"surprise": 1}, body | {"schema_version": 99}):
        with pytest.raises(ValidationError):
            type(message).model_validate(changed)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_is_read_from_json_however_it_comes(message: BaseModel) -> None:
    text = message.model_dump_json()
    for data in (text, text.encode(), message.model_dump(mode="json")):
        assert read_versioned(type(message), data) == message


@pytest.mark.parametrize("version", [2, "3", None])
def test_another_schema_version_is_named_whatever_else_is_wrong(version: object) -> None:
    body = {"run_id": RUN, "round": 1, "schema_version": version, "a field of that version": 1}
    with pytest.raises(UnknownSchemaError) as refused:
        read_versioned(commands.TrainClients, body)
    assert str(refused.value) == (
        f"schema version {version!r} of TrainClients is not known here: this FedFace reads version 3; "
        "upgrade this FedFace, or use the version that wrote it"
    )


def test_another_schema_version_of_a_part_is_named_with_the_part() -> None:
    body = commands.HandleFact(run_id=RUN, fact=ModelPrepared(run_id=RUN, model_sha256="a" * 64)).model_dump(mode="json")
    body["fact"]["schema_version"] = 9
    with pytest.raises(UnknownSchemaError, match=r"schema version 9 of HandleFact.fact.model_prepared .*; look elsewhere"):
        read_versioned(commands.HandleFact, body, remedy="look elsewhere")


@pytest.mark.parametrize(
    ("data", "saying"),
    [
        (b"half a mess", "this is no FoldShard: Invalid JSON"),
        ("[]", "this is no FoldShard: Input should be an object"),
        ({"run_id": RUN, "round": -1}, "round: Input should be greater than or equal to 0; shard: is required"),
    ],
)
def test_what_is_no_message_at_all_is_said_to_be_so(data: bytes | str | dict[str, object], saying: str) -> None:
    with pytest.raises(DamagedObjectError, match=saying):
        read_versioned(commands.FoldShard, data)


@pytest.mark.parametrize(("kind", "wrong"), [("surprise", {}), ("round_ready", {"round": -1, "because": "quorum"})])
def test_a_fact_that_is_none_is_refused(kind: str, wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Fact).validate_python({"kind": kind, "run_id": RUN} | wrong)


KINDS = {
    object_keys.run(RUN): "run",
    object_keys.update(RUN, 3, client_id(1)): "update",
    object_keys.partial(RUN, 3, 0, "0" * 16): "partial",
    object_keys.class_embeddings(RUN, "0" * 64): "class_embedding",
    object_keys.aggregation(RUN, 3, "0" * 16): "aggregation",
    object_keys.report(RUN, 3): "report",
    object_keys.manifest(RUN, 3): "manifest",
    object_keys.model("a" * 64): "model",
}


@pytest.mark.parametrize("key", KINDS)
def test_the_kind_of_an_artifact_follows_from_its_key(key: str) -> None:
    assert object_keys.kind(key) == KINDS[key]


def test_every_error_says_how_the_api_answers() -> None:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.FedFaceError)]
    assert len({kind.title for kind in kinds}) == len(kinds)
    assert {kind.status for kind in kinds} == {404, 409, 422, 500, 503}
    refused = errors.UpdateRefusedError("not_finite", "w holds 3 values that are NaN")
    assert (refused.reason, str(refused)) == ("not_finite", "w holds 3 values that are NaN")
