"""``python -m fedface_client``: a worker that simulates clients. Any number of workers can run at once."""

from __future__ import annotations

from fedface_core.contracts.tasks import CLIENT
from fedface_core.runtime.exit_message import exit_message
from fedface_worker.compute_worker import run_device_worker


@exit_message(CLIENT)
def main() -> None:
    """Carry out the tasks of the client queue until SIGTERM."""
    run_device_worker(CLIENT, "fedface_client.tasks")


if __name__ == "__main__":
    main()
