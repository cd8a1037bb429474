"""``python -m fedface_evaluator``: a worker that scores model versions."""

from __future__ import annotations

from fedface_core.contracts.tasks import EVALUATOR
from fedface_core.learning.seeding import use_deterministic_torch
from fedface_core.runtime.settings import WorkerSettings, load_settings
from fedface_core.runtime.worker import run_worker


def main() -> None:
    """Serve the evaluator's queue until SIGTERM."""
    settings = load_settings(WorkerSettings)
    run_worker(
        EVALUATOR, settings, "fedface_evaluator.tasks", in_each_process=lambda: use_deterministic_torch(settings.threads)
    )


if __name__ == "__main__":
    main()
