"""Every system has a runner, and every peer has its requirements."""

from __future__ import annotations

from pathlib import Path

import loadtest.peers
from loadtest.peers.systems import LIMITS, SYSTEMS


def test_every_system_has_a_runner_and_every_peer_its_requirements() -> None:
    home = Path(loadtest.peers.__file__).parent
    assert set(LIMITS) <= set(SYSTEMS)
    for system in SYSTEMS.values():
        assert (home / "runners" / f"{system.runner}.py").is_file()
        assert system.environment is None or (home / f"requirements-{system.environment}.txt").is_file()
