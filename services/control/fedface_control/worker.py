"""``python -m fedface_control.worker``: handles facts, and sweeps. Run one; a second is harmless, and sweeps as well."""

from __future__ import annotations

import tempfile
from pathlib import Path

from fedface_core.contracts.tasks import CONTROL
from fedface_core.runtime.settings import ControlSettings, load_settings
from fedface_core.runtime.worker import run_worker


def main() -> None:
    """Serve control's queue until SIGTERM."""
    settings = load_settings(ControlSettings)
    with tempfile.TemporaryDirectory(prefix="fedface-beat-") as beat:
        run_worker(CONTROL, settings, "fedface_control.tasks", beat_directory=Path(beat))


if __name__ == "__main__":
    main()
