"""The API's own description."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry

from fedface_control.api.app import create_app
from support.control_rounds import Control
from support.open_sign_in import open_sign_in


@pytest.fixture(scope="session")
def described() -> dict[str, Any]:
    """The OpenAPI document, as the API serves it."""
    with TestClient(create_app(Control.empty().ports, CollectorRegistry(), open_sign_in())) as client:
        body: dict[str, Any] = client.get("/openapi.json").json()
    return body
