"""The OpenAPI document of the control API. ``python -m support.described_api`` prints it."""

from __future__ import annotations

import json
import sys
from typing import Any

from prometheus_client import CollectorRegistry

from fedface_control.api.app import create_app
from support.control_rounds import Control
from support.open_sign_in import open_sign_in


def described_api() -> dict[str, Any]:
    """The document, which is that of every API: nothing in it depends on the ports or on who may sign in."""
    return create_app(Control.empty().ports, CollectorRegistry(), open_sign_in()).openapi()


if __name__ == "__main__":
    json.dump(described_api(), sys.stdout)
