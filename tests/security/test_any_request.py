"""Whatever request the API's description allows or forbids, the answer is one that the description names."""

from __future__ import annotations

import itertools
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from prometheus_client import CollectorRegistry
from schemathesis import Case, GenerationMode
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi import checks

from fedface_control.api.app import create_app
from fedface_core.adapters.memory import MemoryArtifacts, MemoryLedger, RecordingPublisher
from fedface_core.adapters.system_clock import SystemClock
from fedface_core.contracts.http import PROBLEM_MEDIA_TYPE
from fedface_core.domain.role import Role
from fedface_core.ports import Ports
from support.api_by_hand import MODEL_SHA256, ByHand
from support.signing_in import bearer, closed_sign_in, key_for
from support.stride import Stride

EXAMPLES = 25
READS = {"getRun", "listRounds", "getRound", "getRoundReport", "downloadRoundModel", "downloadModel", "getModelCard"}
# A plan has rules between its fields, which no schema can say.
CHECKS_THAT_DO_NOT_APPLY: list[Any] = [checks.positive_data_acceptance]


@pytest.mark.slow
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["allowed", "forbidden"])
def test_every_answer_is_as_described(mode: GenerationMode, stride: Stride) -> None:
    """Half of the requests are about a completed run, and most others about none. Half are an admin's, and the others are of
    each other role in turn. Each is sent again without credentials, and with wrong ones.
    """
    torch.set_flush_denormal(False)  # as a training before may have left it; what draws numbers needs all of them
    clock = SystemClock()
    ports = Ports(ledger=MemoryLedger(clock), artifacts=MemoryArtifacts(), publisher=RecordingPublisher(), clock=clock)
    run_id = ByHand("", ports).completed()
    sign_in = closed_sign_in()
    roles = [one for role in Role if role is not Role.ADMIN for one in (Role.ADMIN, role)]
    callers = itertools.cycle([bearer(key_for(sign_in.keys, f"caller {index}", [role])) for index, role in enumerate(roles)])
    app = create_app(ports, CollectorRegistry(), sign_in)
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    described = app.openapi()
    examples = stride.share(EXAMPLES)
    found: set[str] = set()
    asked: set[str] = set()
    answered: set[tuple[str, int]] = set()
    there = {"run_id": run_id, "sha256": MODEL_SHA256, "number": 1}
    turns = itertools.cycle([True, False])

    def ask(case: Case[Any]) -> None:
        # What is there takes the place of a wrong name, and then nothing may be wrong any more.
        is_there = next(turns)
        # A parameter that an operation does not know is passed over, as elsewhere on the web.
        may_be_right = is_there or not {*(case.query or {})} <= {parameter.name for parameter in case.operation.query}
        excluded = [*CHECKS_THAT_DO_NOT_APPLY, checks.negative_data_rejection] if may_be_right else CHECKS_THAT_DO_NOT_APPLY
        if is_there:
            case.path_parameters = {name: there.get(name, value) for name, value in (case.path_parameters or {}).items()}
        asked.add(f"{case.method} {case.path}")
        try:
            response = case.call_and_validate(headers=next(callers), excluded_checks=excluded)
        except FailureGroup as failures:
            found.update(f"{case.method} {case.path}: {failure}" for failure in failures.exceptions)
        except Failure as failure:
            found.add(f"{case.method} {case.path}: {failure}")
        else:
            answered.add((case.operation.definition.raw["operationId"], response.status_code))
            if response.status_code >= 400 and "readyz" not in case.path:
                assert response.headers["content-type"] == [PROBLEM_MEDIA_TYPE], f"{case.method} {case.path}"

    for result in schema.get_all_operations():
        operation: Any = result.ok()  # type: ignore[union-attr]  # a description that cannot be read fails here
        rules = settings(
            max_examples=examples,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        with suppress(Unsatisfiable):  # an operation without parameters: there is nothing to get wrong
            rules(given(case=operation.as_strategy(generation_mode=mode))(ask))()
    assert not found, "\n".join(sorted(found))
    operations = {operation["operationId"] for path in described["paths"].values() for operation in path.values()}
    without_a_wrong_request = {"restoreLostRuns", "checkLiveness", "checkReadiness", "getMetrics", "getSignIn"}
    missed = operations - {name for name, _ in answered}
    assert missed <= (without_a_wrong_request if mode is GenerationMode.NEGATIVE else set())
    if mode is GenerationMode.POSITIVE:
        successes = {name for name, status in answered if status < 400}
        assert successes >= READS, "the requests reach what they ask about"
