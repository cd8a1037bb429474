from __future__ import annotations

import asyncio

import httpx
import pytest

from fedface_console.control_api import ControlApi
from fedface_console.errors import ApiAwayError
from fedface_console.permissions import Operation, operations
from fedface_core.domain.role import Role


def found_in(paths: object) -> list[Operation]:
    answer = httpx.Response(200, json={"openapi": "3.1.0", "paths": paths})
    http = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: answer), base_url="http://control")
    return asyncio.run(operations(ControlApi(http, None)))


def test_an_operation_may_be_called_by_each_role_that_includes_the_one_that_it_takes() -> None:
    secured = {"summary": "Create a run", "security": [{}, {"bearer": ["operator"]}, {"openIdConnect": ["operator"]}]}
    (found,) = found_in({"/v1/runs": {"post": secured}})
    assert found == Operation("Create a run", "POST /v1/runs", frozenset({Role.OPERATOR, Role.ADMIN}))


def test_what_takes_no_role_is_left_out_and_a_role_of_a_later_version_is_nobodys() -> None:
    assert found_in({"/healthz": {"get": {"summary": "Say ok"}}, "/v1/me": {"get": {"security": [{"bearer": []}]}}}) == []
    (found,) = found_in({"/v2": {"get": {"security": [{"bearer": ["wizard"]}]}}})
    assert found.roles == frozenset()


def test_what_is_no_description_is_said_plainly() -> None:
    with pytest.raises(ApiAwayError, match="is not a control API"):
        found_in(["x"])
