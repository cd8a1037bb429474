"""What a package may import, as a list of what is allowed: a new dependency is refused until somebody decides for it.

Direct imports are enough: every package of ours that is allowed has a row too, so that nothing comes in through it.
"""

from __future__ import annotations

import sys
from typing import Final

import grimp
import pytest

DOMAIN: Final = {"pydantic"}
CONTRACTS: Final = {"fedface_core.domain", "pydantic", "pydantic_core"}
BARE: Final = {"safetensors", "torch"}
ALLOWED: Final[dict[str, set[str]]] = {
    "fedface_core.domain": DOMAIN,
    "fedface_core.contracts": CONTRACTS,
    "fedface_core.files": {"fedface_core.domain"},
    "fedface_core.ports": {"fedface_core.contracts", "fedface_core.domain", "pydantic"},
    # The maths: tensors in, tensors out.
    "fedface_learning": {
        *("fedface_core.domain", "fedface_core.files"),
        *("PIL", "cryptography", "numpy", "pillow_heif", "pydantic", "safetensors", "torch"),
    },
    # The operator's command is installed by itself, on machines without torch or any server.
    "fedface_cli": {
        *("fedface_core.contracts", "fedface_core.domain", "fedface_core.files"),
        *("httpx", "httpx_sse", "keyring", "platformdirs", "pydantic", "rich", "tenacity", "tomlkit", "typer"),
    },
    # What runs in the environments of the peers, beside their own pinned packages.
    "loadtest.bare": BARE,
    "loadtest.peers.runner_result": {"safetensors", "torch"},
    "loadtest.peers.runners.__main__": {"loadtest.bare", "loadtest.peers.runner_result", "torch"},
    "loadtest.peers.runners.flower": {"loadtest.bare", "loadtest.peers.runner_result", "flwr", "torch"},
    "loadtest.peers.runners.pfl_research": {"loadtest.bare", "loadtest.peers.runner_result", "numpy", "pfl", "torch"},
}
# Control computes nothing: of the packages of ours it knows the core only.
CONTROL: Final = {
    *("celery", "fastapi", "fedface_core", "prometheus_client", "prometheus_fastapi_instrumentator", "pydantic"),
    *("anyio", "sse_starlette", "starlette", "structlog", "tenacity"),
    *("jwt", "limits", "redis"),  # sign-in
    *("standardwebhooks", "urllib3"),
    "opentelemetry",  # with the extra of traces alone
}

# The console knows of the core what people send and get, and how a service starts: no port, no adapter, no signature.
CONSOLE: Final = {
    *(
        "fedface_core.contracts.http",
        "fedface_core.contracts.oidc",
        "fedface_core.contracts.sign_in",
        "fedface_core.domain",
        "jwt",
    ),
    *("fedface_core.http_server", "fedface_core.runtime.exit_message", "fedface_core.runtime.logging"),
    *("fedface_core.runtime.open_files", "anyio"),
    *("fedface_core.runtime.environment_settings", "fedface_core.runtime.setting_types"),
    *("fedface_core.runtime.tls_files", "cryptography", "fastapi", "httpx", "httpx_sse", "jinja2", "markupsafe", "pydantic"),
    *("prometheus_client", "sse_starlette", "starlette", "structlog"),
}
SERVICES: Final = {"fedface_control": CONTROL, "fedface_console": CONSOLE}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    """All imports between our modules, and those of other packages."""
    return grimp.build_graph(
        "fedface_core", "fedface_learning", "fedface_cli", "fedface_console", "fedface_control", "loadtest",
        include_external_packages=True, cache_dir=None,
    )  # fmt: skip


def outside(graph: grimp.ImportGraph, package: str) -> set[str]:
    """What the modules of a package import from elsewhere, but for the standard library."""
    inside = {module for module in graph.modules if below(module, package)}
    imported = {name for module in inside for name in graph.find_modules_directly_imported_by(module)}
    return {name for name in imported - inside if name.split(".")[0] not in sys.stdlib_module_names}


def below(module: str, package: str) -> bool:
    """Whether a module is the package or lies in it."""
    return f"{module}.".startswith(f"{package}.")


@pytest.mark.parametrize(("package", "allowed"), [*ALLOWED.items(), *SERVICES.items()])
def test_a_package_imports_what_it_may_and_nothing_else(package: str, allowed: set[str], graph: grimp.ImportGraph) -> None:
    found = outside(graph, package)
    assert found, f"{package} imports nothing: is it still there?"
    assert not {name for name in found if not any(below(name, other) for other in allowed)}


@pytest.mark.parametrize(("package", "allowed"), ALLOWED.items())
def test_nothing_comes_in_through_what_is_allowed(package: str, allowed: set[str]) -> None:
    ours = {name for name in allowed if name.startswith(("fedface_", "loadtest"))}
    assert ours <= ALLOWED.keys(), f"{package} may import packages that may import anything"
