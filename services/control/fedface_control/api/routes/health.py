"""Health checks: liveness and readiness."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Response, status

from fedface_control.api.routes.runs import PortsDep
from fedface_core.contracts.http import Health
from fedface_core.domain.errors import EvictingLedgerError, UnavailableError
from fedface_core.ports import Ports
from fedface_core.runtime.metrics import Dependency

router = APIRouter(tags=["health"])


def dependencies(ports: Ports) -> dict[Dependency, Callable[[], None]]:
    """Dependency → what raises an error if it cannot be used."""
    return {
        Dependency.LEDGER: lambda: ports.ledger.ping(),
        Dependency.ARTIFACT_STORE: lambda: ports.artifacts.ping(),
    }


def check_dependency(ping: Callable[[], None]) -> str:
    """``ok``, or why a dependency cannot be used."""
    try:
        ping()
    except (UnavailableError, EvictingLedgerError) as error:
        return str(error)
    return "ok"


def check_dependencies(ports: Ports) -> dict[str, str]:
    """Dependency → ``ok``, or why it cannot be used."""
    return {name.value: check_dependency(ping) for name, ping in dependencies(ports).items()}


@router.get("/healthz")
def check_liveness() -> Health:
    """Say that the process is alive."""
    return Health(status="ok")


@router.get("/readyz", responses={503: {"model": Health, "description": "A dependency cannot be used."}})
def check_readiness(ports: PortsDep, response: Response) -> Health:
    """Say whether ledger and artifact store answer, and the ledger takes writes and keeps them. The status is 503 if not."""
    checks = check_dependencies(ports)
    healthy = all(answer == "ok" for answer in checks.values())
    if not healthy:
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    return Health(status="ok" if healthy else "unavailable", checks=checks)
