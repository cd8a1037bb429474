"""The API over ports in memory, and the services that move its runs on."""

from support.control_fixtures import api, deterministic_torch, faces, plan, services

__all__ = ["api", "deterministic_torch", "faces", "plan", "services"]
