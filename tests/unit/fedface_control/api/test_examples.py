"""The examples of problems are what the API says."""

from __future__ import annotations

import re

import pytest
import redis
from redis.exceptions import ConnectionError as RedisConnectionError

from fedface_control.api.examples import examples
from fedface_core.adapters.redis.connection import translated_errors
from fedface_core.contracts.http import Problem
from fedface_core.domain.errors import UnavailableError
from fedface_core.domain.role import Role
from fedface_core.domain.run import RunPhase
from support.in_process import InProcess
from support.places import run_in
from support.signing_in import bearer, client_of, closed_sign_in, key_for


def shown(name: str) -> str:
    detail: str = examples()[f"Problem{name}"]["detail"]
    return detail


def without_numbers(detail: str) -> str:
    return re.sub(r"run-[0-9a-f]{12}|\d+", "N", detail)


def test_the_refusals_before_an_operation_are_those_of_the_examples(services: InProcess) -> None:
    sign_in = closed_sign_in(requests=6)
    watcher = bearer(key_for(sign_in.keys, "night-watch", [Role.VIEWER]))
    nightly = bearer(key_for(sign_in.keys, "nightly", [Role.OPERATOR]))
    run_id = run_in(services, RunPhase.PREPARING)
    with client_of(sign_in, services.ports) as api:
        said = {
            "NotSignedIn": api.get("/v1/runs"),
            "NotAllowed": api.post(f"/v1/runs/{run_id}/start", headers=watcher),
            "WrongPhase": api.post(f"/v1/runs/{run_id}/start", headers=nightly),
            "NotFound": api.get("/v1/runs/run-000000000000", headers=nightly),
            "UnsupportedMediaType": api.post("/v1/runs", content=b"{}", headers=nightly | {"Content-Type": "text/plain"}),
            "MisdirectedRequest": api.get("/v1/runs", headers=nightly | {"Host": "faces.example.org"}),
            "BadRequest": api.post("/v1/runs", content=b"\xff", headers=nightly | {"Content-Type": "application/json"}),
            "ContentTooLarge": api.post(
                "/v1/runs", content=b" " * 2**21 + b" ", headers=nightly | {"Content-Type": "application/json"}
            ),
        }
        while (last := api.get("/v1/runs", headers=nightly)).status_code == 200:
            pass
    for name, answer in (said | {"TooManyRequests": last}).items():
        problem = Problem.model_validate(answer.json())
        assert problem.type == examples()[f"Problem{name}"]["type"]
        assert without_numbers(problem.detail) == without_numbers(shown(name)), name


def test_a_ledger_that_is_away_is_that_of_the_example() -> None:
    with pytest.raises(UnavailableError) as away, translated_errors(redis.Redis("redis")):
        raise RedisConnectionError("Error 111 connecting to redis:6379. Connection refused.")
    assert str(away.value) == shown("Unavailable")
