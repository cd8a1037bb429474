"""How the workers that compute with torch start: client, aggregator, evaluator."""

from __future__ import annotations

from fedface_core.runtime.settings import WorkerSettings, load_settings
from fedface_core.runtime.worker import run_worker
from fedface_learning.seeding import use_deterministic_torch


def run_compute_worker(service: str, tasks_module: str) -> None:
    """Serve ``service``'s queue until SIGTERM, with torch made deterministic in each process, never in their parent."""
    settings = load_settings(WorkerSettings)
    run_worker(service, settings, tasks_module, in_each_process=lambda: use_deterministic_torch(settings.threads))
