"""The start of the workers that compute with torch: client, aggregator and evaluator."""

from __future__ import annotations

from fedface_core.runtime.settings import ComputeSettings, load_settings
from fedface_core.runtime.worker import run_worker
from fedface_learning.seeding import use_deterministic_torch


def run_compute_worker(service: str, tasks_module: str) -> None:
    """Serve the queue of ``service`` until SIGTERM. Torch is made deterministic in each pool process, not in their parent.

    The settings come from the environment (`ComputeSettings`). ``tasks_module`` is the module that defines the Celery tasks.
    """
    settings = load_settings(ComputeSettings)
    run_worker(service, settings, tasks_module, in_each_process=lambda: use_deterministic_torch(settings.threads))
