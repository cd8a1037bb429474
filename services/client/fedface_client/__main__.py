"""``python -m fedface_client``: a worker that simulates clients. Run as many as you like."""

from __future__ import annotations

from fedface_core.contracts.tasks import CLIENT
from fedface_core.learning.seeding import use_deterministic_torch
from fedface_core.runtime.settings import WorkerSettings, load_settings
from fedface_core.runtime.worker import run_worker


def main() -> None:
    """Serve the clients' queue until SIGTERM."""
    settings = load_settings(WorkerSettings)
    run_worker(CLIENT, settings, "fedface_client.tasks", in_each_process=lambda: use_deterministic_torch(settings.threads))


if __name__ == "__main__":
    main()
