"""docs/licences.md names what `make install` installs beside FedFace, with the licence that each package declares."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/licences.md"
PROJECT_FILES = [
    *ROOT.glob("shared/*/pyproject.toml"),
    *ROOT.glob("services/*/pyproject.toml"),
    ROOT / "loadtest/pyproject.toml",
]


def declared() -> set[NormalizedName]:
    """The distributions that our packages depend on, extras included, and those that deploy/install.sh names."""
    projects = [tomllib.loads(file.read_text())["project"] for file in PROJECT_FILES]
    lines = {line for project in projects for line in project.get("dependencies", [])}
    lines |= {line for project in projects for extra in project.get("optional-dependencies", {}).values() for line in extra}
    names = {canonicalize_name(Requirement(line).name) for line in lines}
    data = re.findall(r"^pip_install --no-deps ((?:[a-z-]+ ?)+)$", (ROOT / "deploy/install.sh").read_text(), re.MULTILINE)
    assert data
    ours = {canonicalize_name(project["name"]) for project in projects}
    return (names | {canonicalize_name(name) for line in data for name in line.split()}) - ours


def licence(name: str) -> str:
    """What a distribution declares: its SPDX expression, else a field of one line, else its classifiers."""
    given = metadata(name)
    if expression := given.get_all("License-Expression"):
        return str(expression[0])
    field = "".join(given.get_all("License") or []).strip()
    if field and "\n" not in field:
        return field
    classifiers = [line.rpartition(" :: ")[2] for line in given.get_all("Classifier", []) if line.startswith("License ::")]
    assert classifiers, f"{name} declares no licence"
    return ", ".join(classifiers)


def test_the_table_is_what_the_installed_packages_declare() -> None:
    rows = re.findall(r"^\| ([a-z0-9-]+) \| ([^|]+) \|$", PAGE.read_text(), re.MULTILINE)
    documented = {name: found for name, found in rows if name != "package"}
    assert documented.keys() == declared()
    assert {name: found for name, found in documented.items() if _base(found) != _base(licence(name))} == {}


def _base(found: str) -> str:
    """A licence without differences of case and space. Builds of torch for GPUs may declare more; the CPU build is meant."""
    return " ".join(found.split()).lower()
