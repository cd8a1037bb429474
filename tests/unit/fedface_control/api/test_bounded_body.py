"""A body above the bound is refused, whether its length is told before or not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from fedface_control.api.bounded_body import MAX_BODY_BYTES
from support.problem_details import problem

JSON = {"Content-Type": "application/json"}


def in_parts() -> Iterator[bytes]:
    for _ in range(MAX_BODY_BYTES // 2**20 + 1):
        yield b" " * 2**20


@pytest.mark.parametrize("path", ["/v1/runs", "/v1/runs/run-000000000000/clone"])
@pytest.mark.parametrize("told", [True, False])
def test_a_body_that_is_too_large_is_refused(api: TestClient, path: str, told: bool) -> None:
    content = b" " * (MAX_BODY_BYTES + 1) if told else in_parts()
    refused = problem(api.post(path, content=content, headers=JSON), 413, "Content Too Large")
    assert refused.detail.endswith(f"the body of this request has more than {MAX_BODY_BYTES:,} bytes")
