"""``python -m fedface_aggregator``: a worker that aggregates rounds."""

from __future__ import annotations

from fedface_aggregator.returned_memory import return_freed_memory
from fedface_core.contracts.tasks import AGGREGATOR
from fedface_core.runtime.exit_message import exit_message
from fedface_worker.compute_worker import run_compute_worker


@exit_message(AGGREGATOR)
def main() -> None:
    """Carry out the tasks of the aggregator queue until SIGTERM."""
    return_freed_memory()
    run_compute_worker(AGGREGATOR, "fedface_aggregator.tasks")


if __name__ == "__main__":
    main()
