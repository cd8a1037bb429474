"""The peers' virtual environments. Each is made from a requirements file in this folder when it is first needed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from fedface_core.domain.errors import FedFaceError
from fedface_core.files.whole_file import make_folder
from fedface_stack.children import Children

ROOT: Final = Path(__file__).parents[2]
INSTALL_MINUTES: Final = 60.0
"""The longest that a step of making an environment may take: pip fetches torch and Ray, with CUDA some gigabytes."""
_INSTALLED = "installed.txt"  # what an environment was made from
_LAST_LINES = 5


class EnvironmentUnavailableError(FedFaceError):
    """A peer's environment cannot be prepared on this machine."""

    title = "Environment"


def installed_environment(name: str, folder: Path) -> Path | None:
    """The Python of the environment ``folder/name``; None if it is not there, or its requirements have changed since."""
    home = folder.absolute() / name
    return home / "bin" / "python" if _is_installed(home, _requirements_of(name)) else None


def missing_environments(names: Iterable[str], folder: Path) -> list[str]:
    """Those of the environments that `prepare_environment` would have to make, each once."""
    return [name for name in dict.fromkeys(names) if installed_environment(name, folder) is None]


def prepare_environment(
    name: str, folder: Path, requirements: Path | None = None, limit_minutes: float = INSTALL_MINUTES
) -> Path:
    """The Python of the environment ``folder/name``, which is made if it is missing or if its requirements have changed.

    ``requirements`` is the peer's own file by default. `EnvironmentUnavailableError`, with what was to be installed and the
    end of the output, if `venv` or `pip` fails or takes longer than ``limit_minutes``, and if the folder cannot be used.
    ``folder/NAME.log`` has all of the output.
    """
    requirements = requirements or _requirements_of(name)
    home = folder.absolute() / name
    python = home / "bin" / "python"
    if not _is_installed(home, requirements):
        pip = (str(python), "-P", "-m", "pip", "install", "--progress-bar", "off", "--disable-pip-version-check")
        log = home.with_name(f"{name}.log")
        try:
            make_folder(folder)
            log.write_bytes(b"")
        except OSError as error:
            raise EnvironmentUnavailableError(f"cannot use {log}: {error.strerror}") from error
        _run((sys.executable, "-P", "-m", "venv", "--clear", str(home)), f"make {home}", log, limit_minutes)
        _run((*pip, "-r", str(requirements)), f"install {_named_in(requirements)}", log, limit_minutes)
        shutil.copyfile(requirements, home / _INSTALLED)
    return python


def _requirements_of(name: str) -> Path:
    return Path(__file__).parent / f"requirements-{name}.txt"


def _is_installed(home: Path, requirements: Path) -> bool:
    installed = home / _INSTALLED
    return installed.is_file() and installed.read_bytes() == requirements.read_bytes()


def _named_in(requirements: Path) -> str:
    """What a requirements file names, without its comments and options."""
    lines = (line.partition("#")[0].strip() for line in requirements.read_text(encoding="utf-8").splitlines())
    return ", ".join(line for line in lines if line and not line.startswith("-"))


def _run(command: Sequence[str], purpose: str, log: Path, limit_minutes: float) -> None:
    """Run a command. It and all that it has started are killed if it takes too long or if this process ends."""
    with closing(Children()) as children:
        process = children.start(command, os.environ, log, ROOT)
        try:
            status = process.wait(60 * limit_minutes)
        except subprocess.TimeoutExpired:
            status = None
        children.kill(process)
    if status != 0:
        last_lines = "\n".join(log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-_LAST_LINES:])
        how = f"did not end within {limit_minutes:g} minutes" if status is None else f"ended with status {status}"
        raise EnvironmentUnavailableError(
            f"`{' '.join(command)}`, which was to {purpose}, {how}; the end of its output:\n{last_lines}"
        )
