"""Commands as Celery messages: by task name, so that the publisher imports no service."""

from __future__ import annotations

from collections.abc import Sequence

from celery import Celery
from kombu.exceptions import OperationalError
from pydantic import BaseModel
from redis.exceptions import RedisError

from fedface_core.adapters.redis_connection import address, connect, redis_faults
from fedface_core.contracts.tasks import CORRELATION_HEADER, ROUTES
from fedface_core.domain.errors import UnavailableError

# Bounded: whoever publishes has an outcome within seconds, and the sweep repeats what got lost.
_RETRY_POLICY = {"max_retries": 3, "interval_start": 0.1, "interval_step": 0.3, "interval_max": 1.0}


class CeleryPublisher:
    """`TaskPublisher` on the Redis broker of a Celery app."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._broker = connect(app.conf.broker_url)

    def publish(self, command: BaseModel, *, correlation_id: str) -> None:
        """See `TaskPublisher.publish`."""
        self.publish_all([command], correlation_id=correlation_id)

    def publish_all(self, commands: Sequence[BaseModel], *, correlation_id: str) -> None:
        """See `TaskPublisher.publish_all`."""
        with redis_faults(self._broker):
            try:
                self._send(commands, correlation_id)
            except OperationalError as error:
                # Kombu's wrapper of what the broker said, which tells more.
                if isinstance(error.__cause__, RedisError):
                    raise error.__cause__ from None
                raise UnavailableError(
                    f"the broker at {address(self._broker)} does not take messages ({error}); check that it runs, and "
                    "FEDFACE_REDIS_URL"
                ) from error

    def queue_depth(self, queue: str) -> int:
        """See `TaskPublisher.queue_depth`. Celery keeps a queue in the Redis list of its name."""
        with redis_faults(self._broker):
            depth = self._broker.llen(queue)
        assert isinstance(depth, int), "a synchronous client answers at once"
        return depth

    def _send(self, commands: Sequence[BaseModel], correlation_id: str) -> None:
        with self._app.producer_pool.acquire(block=True) as producer:
            for command in commands:
                route = ROUTES[type(command)]
                self._app.send_task(
                    route.task,
                    kwargs={"command": command.model_dump(mode="json")},
                    queue=route.queue,
                    headers={CORRELATION_HEADER: correlation_id},
                    ignore_result=True,
                    producer=producer,
                    retry=True,
                    retry_policy=_RETRY_POLICY,
                )
