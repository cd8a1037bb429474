"""A percent-encoded password reaches a real server, though it has the characters that end the parts of a URL."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import kombu
import redis
from pydantic import SecretStr

from fedface_core.bootstrap import connect
from fedface_core.contracts.tasks import CONTROL
from fedface_core.domain.commands import Sweep
from fedface_core.runtime.celery_app import create_celery
from fedface_core.runtime.settings import Settings
from fedface_stack.children import Children
from fedface_stack.embedded_servers import HOST, valkey
from fedface_stack.local_ports import free_ports
from support.servers import running

PASSWORD = "a #b/c?d[e]f%41g@h:i"


def test_ledger_and_broker_get_the_password(server_processes: Children, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with running(server_processes, valkey(tmp_path, port, "first"), tmp_path):
        with redis.Redis(host=HOST, port=port, password="first") as client:
            client.config_set("requirepass", PASSWORD)
        url = f"redis://:{quote(PASSWORD, safe='')}@{HOST}:{port}/0"
        settings = Settings(redis_url=SecretStr(url), artifacts="directory", artifact_directory=tmp_path)
        with create_celery(settings) as app:
            ports = connect(settings, app)
            ports.ledger.ping()
            ports.publisher.publish(Sweep(), correlation_id="abc")
            assert ports.publisher.queue_depth(CONTROL) == 1
        kombu.pools.reset()  # they are the process's, kept by URL
