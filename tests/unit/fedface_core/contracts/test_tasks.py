"""The routes of commands to tasks and queues."""

from __future__ import annotations

import inspect

from fedface_core.contracts.tasks import QUEUES, ROUTES
from fedface_core.domain import commands


def test_every_command_has_one_route() -> None:
    """A command without a route could not be published."""
    kinds = {kind for _, kind in inspect.getmembers(commands, inspect.isclass) if kind.__module__ == commands.__name__}
    assert kinds - {commands.Command} == ROUTES.keys()
    assert len({route.task for route in ROUTES.values()}) == len(ROUTES)


def test_a_task_is_named_for_the_service_whose_queue_it_waits_in() -> None:
    assert {route.queue for route in ROUTES.values()} == set(QUEUES)
    assert all(route.task.split(".")[0] == route.queue for route in ROUTES.values())
