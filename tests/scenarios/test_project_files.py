"""The files at the root that tell people about the project can be read by their tools, and name what exists."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINE = re.compile(r"(?P<indent> *)(?P<item>- )?(?:(?P<key>[a-z][a-z_-]*):(?: (?P<value>\S.*))?|(?P<word>[^:]+))")
Rows = list[tuple[int, bool, str, str]]


def rows(text: str) -> Rows:
    """Indent, whether it begins a list's item, key and value of each line, for the part of YAML that these files use.

    A plain value holds neither ``: `` nor `` #``, as YAML demands; anything else than ``key: value`` is an error.
    """
    found: Rows = []
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = LINE.fullmatch(line)
        assert match is not None, line
        value = match["value"] or match["word"] or ""
        if not value.startswith('"'):
            assert ": " not in value, line
            assert " #" not in value, line
        found.append(
            (len(match["indent"]) + 2 * bool(match["item"]), bool(match["item"]), match["key"] or "", value.strip('"'))
        )
    return found


def values(found: Rows, key: str) -> list[str]:
    return [value for _, _, name, value in found if name == key]


def test_each_hook_before_a_commit_is_a_command_of_make_lint() -> None:
    found = rows((ROOT / ".pre-commit-config.yaml").read_text())
    assert values(found, "repo") == ["local"]
    dry_run = subprocess.run(["make", "-n", "lint"], capture_output=True, text=True, cwd=ROOT, check=True)
    entries = values(found, "entry")
    assert set(entries) <= set(dry_run.stdout.splitlines())
    assert {shlex.split(entry)[0] for entry in entries} == {f".venv/bin/{tool}" for tool in ("ruff", "mypy", "lint-imports")}
    assert len(entries) == len(set(values(found, "id"))) == 4
    assert values(found, "language") == ["system"] * 4
    assert values(found, "pass_filenames") == ["false"] * 4


def test_the_citation_names_the_software_and_the_paper() -> None:
    found = rows((ROOT / "CITATION.cff").read_text())
    top = {key: value for indent, _, key, value in found if indent == 0}
    project = tomllib.loads((ROOT / "services/cli/pyproject.toml").read_text())["project"]
    assert top["cff-version"] == "1.2.0"
    assert (top["title"], top["type"], top["version"]) == ("FedFace", "software", project["version"])
    assert top["message"]
    assert values(found, "name") == ["FedFace developers"]
    (paper,) = values(found, "url")
    assert paper in (ROOT / "README.md").read_text()


def test_the_changelog_keeps_the_format() -> None:
    """As https://keepachangelog.com has it: versions from the newest down, and under each the kinds of change."""
    headings = re.findall(r"^(#+) (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == ("#", "Changelog")
    versions = [heading for level, heading in headings if level == "##"]
    assert versions[0] == "[Unreleased]"
    dates = [re.fullmatch(r"\[\d+\.\d+\.\d+\] - (\d{4}-\d\d-\d\d)", version) for version in versions[1:]]
    assert all(dates)
    released = [date.fromisoformat(match[1]) for match in dates if match]
    assert released == sorted(released, reverse=True)
    kinds = {heading for level, heading in headings if level == "###"}
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
