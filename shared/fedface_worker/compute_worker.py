"""The start of the workers that compute with torch: client, aggregator and evaluator."""

from __future__ import annotations

import torch

from fedface_core.domain.device_kinds import CPU, CUDA, DeviceKind
from fedface_core.runtime.settings import ComputeSettings, DeviceSettings, load_settings
from fedface_core.runtime.worker import run_worker
from fedface_learning.device import name_of_gpu, require_device
from fedface_learning.seeding import use_deterministic_torch


def run_compute_worker(service: str, tasks_module: str) -> None:
    """Serve the queue of ``service`` until SIGTERM. Torch is made deterministic in each pool process, not in their parent.

    The settings come from the environment (`ComputeSettings`). ``tasks_module`` is the module that defines the Celery tasks.
    """
    _run(service, load_settings(ComputeSettings), tasks_module, CPU)


def run_device_worker(service: str, tasks_module: str) -> None:
    """As `run_compute_worker`, but serve the queue of the service's tasks for one kind of device.

    The settings are `DeviceSettings`. `InvalidInputError` if this machine has no such device.
    """
    settings = load_settings(DeviceSettings)
    require_device(settings.device)
    _run(service, settings, tasks_module, settings.device)


def _run(service: str, settings: ComputeSettings, tasks_module: str, device: DeviceKind) -> None:
    run_worker(
        service,
        settings,
        tasks_module,
        in_each_process=lambda: use_deterministic_torch(settings.threads),
        device=device,
        torch=torch.__version__,
        gpu=name_of_gpu() if device == CUDA else None,
    )
