"""``python -m fedface_control.worker``: handles facts, and sweeps. One process is enough; a second one is harmless."""

from __future__ import annotations

from fedface_core.contracts.tasks import CONTROL
from fedface_core.runtime.exit_message import exit_message
from fedface_core.runtime.settings import ControlSettings, load_settings
from fedface_core.runtime.worker import run_worker


@exit_message(CONTROL)
def main() -> None:
    """Serve control's queue until SIGTERM."""
    run_worker(CONTROL, load_settings(ControlSettings), "fedface_control.tasks", beat=True)


if __name__ == "__main__":
    main()
