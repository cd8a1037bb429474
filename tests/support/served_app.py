"""An app behind a real server, on a free port of this machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI


@contextmanager
def served(app: FastAPI, *, cut_at_the_end: bool = False, **options: Any) -> Iterator[str]:
    """Serve the app until the end of the block, with uvicorn's ``options``. Gives its URL.

    Then the requests under way are answered, or else their connections are cut, as by a crash.
    """
    settings = {"port": 0, "log_config": None, "ws": "none", "lifespan": "off"} | options
    server = uvicorn.Server(uvicorn.Config(app, **settings))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server does not start"
        time.sleep(0.01)
    scheme = "https" if server.config.is_ssl else "http"
    try:
        yield f"{scheme}://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.force_exit = cut_at_the_end
        server.should_exit = True
        thread.join()
