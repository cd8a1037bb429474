"""Parts of a machine that some tests need: a server, a program, a right. Without them they are skipped, or fail if required.

`FEDFACE_REQUIRE` names the requirements that must be met, with commas between them: what is skipped there, nobody runs.
"""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def skip_without(requirement: str, missing: str) -> NoReturn:
    """Skip the test since something is ``missing``, or fail it if ``FEDFACE_REQUIRE`` names the ``requirement``."""
    if requirement in os.environ.get("FEDFACE_REQUIRE", "").split(","):
        pytest.fail(f"{missing}, and FEDFACE_REQUIRE names {requirement}")
    pytest.skip(missing)


def required_binary(name: str, package: str, requirement: str) -> str:
    """The path of a program. The test is skipped without it, or fails if ``FEDFACE_REQUIRE`` names the ``requirement``.

    ``package`` is the Debian package that has it.
    """
    binary = shutil.which(name)
    if binary is None:
        skip_without(requirement, f"no {name} on PATH (Debian: apt-get install {package})")
    return binary


def redis_server() -> str:
    """The machine's own Redis."""
    return required_binary("redis-server", "redis-server", "redis")
