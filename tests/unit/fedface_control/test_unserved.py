"""A run whose tasks no worker takes says so at once, in its state: which worker is missing, and how to start it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_control.operate.run import create_run, start_run
from fedface_control.unserved import why_it_waits
from fedface_core.domain.run import RunPhase
from support.in_process import InProcess
from support.tiny_run import tiny_plan, write_faces


@pytest.fixture
def services(tmp_path: Path) -> InProcess:
    return InProcess(tiny_plan(write_faces(tmp_path, identities=10), rounds=1))


def reason(services: InProcess, run_id: str) -> str | None:
    return why_it_waits(services.ports, services.ports.ledger.load(run_id))


def test_a_run_whose_workers_are_there_waits_for_nobody(services: InProcess) -> None:
    assert reason(services, services.start()) is None


def test_a_plan_for_a_gpu_that_no_worker_has_says_so_before_anything_is_prepared(services: InProcess) -> None:
    services.publisher.without_workers |= {"client-cuda", "evaluator-cuda"}
    plan = services.plan.model_copy(update={"compute": services.plan.compute.model_copy(update={"device": "cuda"})})
    run = create_run(services.ports, plan)
    assert reason(services, run.id) is None, "it is not started"
    start_run(services.ports, run.id)
    assert reason(services, run.id) == (
        "no client worker has the plan's compute.device, 'cuda': start a client worker with FEDFACE_DEVICE=cuda, or clone "
        "the run with compute null; no evaluator has the plan's compute.device, 'cuda': start an evaluator with "
        "FEDFACE_DEVICE=cuda, or clone the run with compute null"
    )
    assert {"client-cuda", "aggregator"} == {
        queue for queue in ("client", "client-cuda", "aggregator") if services.publisher.queue_depth(queue)
    }


def test_an_open_round_waits_for_clients_and_not_for_the_evaluator(services: InProcess) -> None:
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 0)
    services.publisher.without_workers |= {"evaluator"}
    assert reason(services, run_id) is None
    services.publisher.without_workers |= {"client"}
    assert reason(services, run_id) == "no client worker computes on the CPU: start a client worker with FEDFACE_DEVICE=cpu"


def test_an_ended_run_waits_for_nobody(services: InProcess) -> None:
    run_id = services.start()
    assert services.to_end(run_id).phase is RunPhase.COMPLETED
    services.publisher.without_workers |= {"client", "aggregator", "evaluator"}
    assert reason(services, run_id) is None
