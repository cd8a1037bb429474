"""``python -m fedface_client``: a worker that simulates clients. Run as many as you like."""

from __future__ import annotations

from fedface_core.contracts.tasks import CLIENT
from fedface_worker.compute_worker import run_compute_worker


def main() -> None:
    """Serve the clients' queue until SIGTERM."""
    run_compute_worker(CLIENT, "fedface_client.tasks")


if __name__ == "__main__":
    main()
