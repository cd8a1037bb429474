"""The API over ports in memory, and the services that move its runs on."""

from support.control_fixtures import api, plan, services, shared_app, trained

__all__ = ["api", "plan", "services", "shared_app", "trained"]
