"""Commands survive JSON, and refuse what they do not know."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from fedface_core.domain.commands import (
    EnrolClients,
    EvaluateModel,
    FoldShard,
    HandleFact,
    HandOnShares,
    ListIdentities,
    PrepareModel,
    ReduceRound,
    RegisterDevices,
    RevealShares,
    ShareKeys,
    SignAcceptedSet,
    Sweep,
    TrainClients,
)
from fedface_core.domain.facts import ModelPrepared, StepFailed
from fedface_core.domain.ids import client_id

RUN = "run-0123456789ab"

COMMANDS: list[BaseModel] = [
    PrepareModel(run_id=RUN),
    ListIdentities(run_id=RUN),
    EnrolClients(run_id=RUN, clients=(client_id(3),)),
    TrainClients(run_id=RUN, round=1, clients=(client_id(3),)),
    RegisterDevices(run_id=RUN, round=0, clients=(client_id(3),)),
    ShareKeys(run_id=RUN, round=0, clients=(client_id(3),)),
    HandOnShares(run_id=RUN, round=0, shard=2),
    SignAcceptedSet(run_id=RUN, round=1, clients=(client_id(3),)),
    RevealShares(run_id=RUN, round=1, clients=(client_id(3),)),
    FoldShard(run_id=RUN, round=0, shard=2),
    ReduceRound(run_id=RUN, round=0),
    EvaluateModel(run_id=RUN, round=4),
    HandleFact(run_id=RUN, fact=ModelPrepared(run_id=RUN, model_sha256="a" * 64)),
    HandleFact(run_id=RUN, fact=StepFailed(run_id=RUN, round=None, reason="no disk")),
    Sweep(),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)
def test_a_command_survives_json_and_refuses_unknown_fields_and_versions(command: BaseModel) -> None:
    body = command.model_dump(mode="json")
    assert type(command).model_validate(body) == command
    for changed in (body | {"surprise": 1}, body | {"schema_version": 99}):
        with pytest.raises(ValidationError):
            type(command).model_validate(changed)


@pytest.mark.parametrize(
    "wrong", ["", "run-1", "run-0123456789AB", "../etc/passwd", "run-0123456789ab/..", "run-0123456789ab\n"]
)
def test_a_command_cannot_name_a_key_outside_its_run(wrong: str) -> None:
    with pytest.raises(ValidationError):
        PrepareModel(run_id=wrong)
    with pytest.raises(ValidationError):
        EnrolClients(run_id=RUN, clients=(wrong,))


def test_a_task_without_clients_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least 1 item"):
        TrainClients(run_id=RUN, round=1, clients=())


def test_the_enrolment_round_is_no_round_to_train_in() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        TrainClients(run_id=RUN, round=0, clients=(client_id(3),))
