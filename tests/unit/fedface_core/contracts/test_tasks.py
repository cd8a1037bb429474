"""The routes of commands to tasks and queues."""

from __future__ import annotations

import inspect

from fedface_core.contracts.tasks import QUEUES, ROUTES, queue_of, queues_of
from fedface_core.domain import commands

RUN = "run-0123456789ab"


def test_every_command_has_one_route() -> None:
    """A command without a route could not be published."""
    kinds = {kind for _, kind in inspect.getmembers(commands, inspect.isclass) if kind.__module__ == commands.__name__}
    assert kinds - {commands.Command, commands.DeviceCommand, commands.ClientsOfRound} == ROUTES.keys()
    assert len({route.task for route in ROUTES.values()}) == len(ROUTES)


def test_a_task_is_named_for_the_service_whose_queue_it_waits_in() -> None:
    assert {queue for kind in ROUTES for queue in queues_of(kind)} == set(QUEUES)
    assert all(route.task.split(".")[0] == route.queue for route in ROUTES.values())


def test_a_command_for_a_gpu_waits_where_workers_with_one_look() -> None:
    of_cpu = commands.TrainClients(run_id=RUN, round=1, clients=("client-000000",))
    of_gpu = of_cpu.model_copy(update={"device": "cuda"})
    assert (queue_of(of_cpu), queue_of(of_gpu)) == ("client", "client-cuda")
    assert queue_of(commands.EvaluateModel(run_id=RUN, round=1, device="cuda")) == "evaluator-cuda"
    assert queue_of(commands.ReduceRound(run_id=RUN, round=1)) == "aggregator"


def test_a_command_for_the_cpu_is_written_as_before_there_were_devices() -> None:
    assert "device" not in commands.EvaluateModel(run_id=RUN, round=1).model_dump()
