"""Module specs of packages that are not installed, for tests of what is looked for in the folder of a package."""

from __future__ import annotations

from importlib.machinery import ModuleSpec
from pathlib import Path


def package_spec(name: str, folder: Path) -> ModuleSpec:
    """What `importlib.util.find_spec` gives for a package ``name`` that is installed in ``folder``."""
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    return spec
