"""What the documentation names is there: the targets of links, files, folders and modules."""

from __future__ import annotations

import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from architecture.packages import ROOT

OF_THE_ROOT = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
PAGES = [*(ROOT / name for name in OF_THE_ROOT), ROOT / "loadtest/README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TOPS = ("docs", "tests", "services", "shared", "deploy", "loadtest")
FILES = {path.relative_to(ROOT).as_posix() for top in TOPS for path in (ROOT / top).rglob("*") if path.is_file()}
each_page = pytest.mark.parametrize("page", PAGES, ids=[page.relative_to(ROOT).as_posix() for page in PAGES])


BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return BLOCK.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """What a link to a heading of the page may name, as the forges make it of the heading."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def named(page: Path) -> list[str]:
    """What stands between backticks, and each word of the blocks of code."""
    blocks = BLOCK.findall(page.read_text())
    return re.findall(r"`([^`\n]+)`", prose(page)) + [word for block in blocks for word in block.split()]


def missing_file(name: str) -> bool:
    """Whether ``name`` looks like a file or folder of ours, whole or its end, and there is none of that name."""
    if re.fullmatch(r"[\w.-]+(/[\w.*-]+)*/?", name) is None:
        return False
    if name.split("/")[0] in TOPS and "/" in name:
        return not list(ROOT.glob(name.rstrip("/")))
    return name.endswith((".py", ".lua")) and not any(f"/{file}".endswith(f"/{name}") for file in FILES)


def missing_module(name: str) -> bool:
    """Whether ``name`` looks like a module of ours, or a name in one, and is neither."""
    if re.fullmatch(r"(fedface_\w+|loadtest)(\.\w+)+", name) is None or name.endswith((".py", ".md")):
        return False
    parent, _, last = name.rpartition(".")
    try:
        module = import_module(parent)
    except ModuleNotFoundError:
        return True
    return not hasattr(module, last) and (not hasattr(module, "__path__") or find_spec(name) is None)


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        there = (page.parent / path) if path else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(target)
    assert not broken


@each_page
def test_the_files_and_modules_that_it_names_are_there(page: Path) -> None:
    assert not [name for name in named(page) if missing_file(name) or missing_module(name)]


def test_the_tree_of_the_code_names_every_package() -> None:
    tree = BLOCK.findall((ROOT / "docs/architecture.md").read_text().split("## The code")[1])[0]
    packages = {path.parent.name for path in [*ROOT.glob("*/pyproject.toml"), *ROOT.glob("*/*/pyproject.toml")]}
    assert {name for name in packages if not re.search(rf"^ *{name}/ ", tree, re.MULTILINE)} == set()
