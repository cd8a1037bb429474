"""``python -m fedface_evaluator``: a worker that scores model versions."""

from __future__ import annotations

from fedface_core.contracts.tasks import EVALUATOR
from fedface_core.runtime.exit_message import exit_message
from fedface_worker.compute_worker import run_device_worker


@exit_message(EVALUATOR)
def main() -> None:
    """Carry out the tasks of the evaluator queue until SIGTERM."""
    run_device_worker(EVALUATOR, "fedface_evaluator.tasks")


if __name__ == "__main__":
    main()
