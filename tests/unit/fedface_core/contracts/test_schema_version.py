"""Messages and records are read in whatever form they come, and those of another schema version are refused by name."""

from __future__ import annotations

import pytest

from fedface_core.contracts.schema_version import read_versioned
from fedface_core.domain.commands import FoldShard, HandleFact, TrainClients
from fedface_core.domain.errors import DamagedObjectError, UnknownSchemaError
from fedface_core.domain.facts import ModelPrepared

RUN = "run-0123456789ab"
FOLD = FoldShard(run_id=RUN, round=0, shard=2)
PREPARED = HandleFact(run_id=RUN, fact=ModelPrepared(run_id=RUN, model_sha256="a" * 64))


@pytest.mark.parametrize("message", [FOLD, PREPARED], ids=lambda message: type(message).__name__)
def test_a_message_is_read_from_text_bytes_and_parsed_json(message: FoldShard | HandleFact) -> None:
    text = message.model_dump_json()
    for data in (text, text.encode(), message.model_dump(mode="json")):
        assert read_versioned(type(message), data) == message


@pytest.mark.parametrize("version", [2, "3", None])
def test_another_schema_version_is_named_whatever_else_is_wrong(version: object) -> None:
    body = {"run_id": RUN, "round": 1, "schema_version": version, "a field of that version": 1}
    with pytest.raises(UnknownSchemaError) as refused:
        read_versioned(TrainClients, body)
    assert str(refused.value) == (
        f"schema version {version!r} of TrainClients is not known here: this FedFace reads version 3; "
        "upgrade this FedFace, or use the version that wrote it"
    )


def test_another_schema_version_of_a_part_is_named_with_the_part() -> None:
    body = PREPARED.model_dump(mode="json")
    body["fact"]["schema_version"] = 9
    with pytest.raises(UnknownSchemaError, match=r"schema version 9 of HandleFact.fact.model_prepared .*; look elsewhere"):
        read_versioned(HandleFact, body, remedy="look elsewhere")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"half a mess", "this is no FoldShard: Invalid JSON"),
        ("[]", "this is no FoldShard: Input should be an object"),
        ({"run_id": RUN, "round": -1}, "round: Input should be greater than or equal to 0; shard: is required"),
        (FOLD.model_dump() | {"surprise": "a secret"}, "this is no FoldShard: surprise: there is no such field$"),
    ],
)
def test_what_is_no_message_is_refused_with_each_wrong_field(data: bytes | str | dict[str, object], message: str) -> None:
    with pytest.raises(DamagedObjectError, match=message):
        read_versioned(FoldShard, data)
