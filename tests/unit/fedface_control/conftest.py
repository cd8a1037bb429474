"""The API over ports in memory, and the services that move its runs on."""

from support.control_fixtures import api, plan, services, shared_app
from support.service_fixtures import deterministic_torch, faces

__all__ = ["api", "deterministic_torch", "faces", "plan", "services", "shared_app"]
