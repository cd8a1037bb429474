"""The peers' virtual environments. Each is made from a requirements file in this folder when it is first needed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from fedface_core.domain.errors import FedFaceError

ROOT: Final = Path(__file__).parents[2]
_INSTALLED = "installed.txt"  # what an environment was made from
_LAST_LINES = 5


class EnvironmentUnavailableError(FedFaceError):
    """A peer's environment cannot be prepared on this machine."""

    title = "Environment"


def installed_environment(name: str, folder: Path) -> Path | None:
    """The Python of the environment ``folder/name``; None if it is not there, or its requirements have changed since."""
    home = folder.absolute() / name
    return home / "bin" / "python" if _is_installed(home, _requirements_of(name)) else None


def prepare_environment(name: str, folder: Path, requirements: Path | None = None) -> Path:
    """The Python of the environment ``folder/name``, which is made if it is missing or if its requirements have changed.

    ``requirements`` is the peer's own file by default. `EnvironmentUnavailableError` if `venv` or `pip` fails, with the end
    of its output.
    """
    requirements = requirements or _requirements_of(name)
    home = folder.absolute() / name
    python = home / "bin" / "python"
    if not _is_installed(home, requirements):
        _run([sys.executable, "-P", "-m", "venv", "--clear", str(home)])
        _run([str(python), "-P", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(requirements)])
        shutil.copyfile(requirements, home / _INSTALLED)
    return python


def _requirements_of(name: str) -> Path:
    return Path(__file__).parent / f"requirements-{name}.txt"


def _is_installed(home: Path, requirements: Path) -> bool:
    installed = home / _INSTALLED
    return installed.is_file() and installed.read_bytes() == requirements.read_bytes()


def _run(command: Sequence[str]) -> None:
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if ended.returncode:
        output = "\n".join((ended.stdout + ended.stderr).strip().splitlines()[-_LAST_LINES:])
        raise EnvironmentUnavailableError(f"`{' '.join(command)}` ended with status {ended.returncode}:\n{output}")
