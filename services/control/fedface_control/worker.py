"""``python -m fedface_control.worker``: handles facts, and sweeps. One process is enough; a second one is harmless."""

from __future__ import annotations

import threading

from fedface_core.contracts.tasks import CONTROL
from fedface_core.runtime.exit_message import exit_message
from fedface_core.runtime.settings import ControlSettings, load_settings
from fedface_core.runtime.worker import run_worker


@exit_message(CONTROL)
def main() -> None:
    """Serve control's queue until SIGTERM, and tell the receivers of webhooks what happens to runs."""
    settings = load_settings(ControlSettings)

    def tell_receivers(stopped: threading.Event) -> None:
        from fedface_control.webhooks.start import start_deliveries  # once the folder of the metrics is known

        start_deliveries(settings, stopped)

    run_worker(CONTROL, settings, "fedface_control.tasks", once_ready=tell_receivers, beat=True)


if __name__ == "__main__":
    main()
