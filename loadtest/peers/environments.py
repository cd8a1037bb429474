"""The peers' virtual environments. Each is made from a requirements file in this folder when it is first needed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from fedface_core.domain.errors import FedFaceError

ROOT: Final = Path(__file__).parents[2]
_LAST_LINES = 5


class EnvironmentUnavailableError(FedFaceError):
    """A peer's environment cannot be prepared on this machine."""

    title = "Environment"


def prepare_environment(name: str, folder: Path, requirements: Path | None = None) -> Path:
    """The Python of the environment ``folder/name``, which is made if it is missing or if its requirements have changed.

    ``requirements`` is the peer's own file by default. `EnvironmentUnavailableError` if `venv` or `pip` fails, with the end
    of its output.
    """
    requirements = requirements or Path(__file__).parent / f"requirements-{name}.txt"
    home = folder.absolute() / name
    python = home / "bin" / "python"
    installed = home / "installed.txt"
    wanted = requirements.read_text(encoding="utf-8")
    if not installed.is_file() or installed.read_text(encoding="utf-8") != wanted:
        _run([sys.executable, "-P", "-m", "venv", "--clear", str(home)])
        _run([str(python), "-P", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(requirements)])
        installed.write_text(wanted, encoding="utf-8")
    return python


def _run(command: Sequence[str]) -> None:
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if ended.returncode:
        output = "\n".join((ended.stdout + ended.stderr).strip().splitlines()[-_LAST_LINES:])
        raise EnvironmentUnavailableError(f"`{' '.join(command)}` ended with status {ended.returncode}:\n{output}")
