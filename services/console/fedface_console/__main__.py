"""``python -m fedface_console``: the process that serves the console."""

from __future__ import annotations

from typing import Final

from starlette.responses import PlainTextResponse

from fedface_console.app import create_app
from fedface_console.control_api import connection_to
from fedface_console.issuer import issuer_connection
from fedface_console.settings import ConsoleSettings
from fedface_core.http_server.capacity import RETRY_AFTER_SECONDS, Capacity, capacity_within
from fedface_core.http_server.serve import Listening, serve
from fedface_core.runtime.environment_settings import settings_or_exit
from fedface_core.runtime.exit_message import exit_message
from fedface_core.runtime.logging import configure_logging
from fedface_core.runtime.open_files import raise_open_file_limit

BUSY: Final = PlainTextResponse(
    f"The console has as many connections as it can serve. Try again in {RETRY_AFTER_SECONDS} seconds.\n",
    503,
    {"Retry-After": str(RETRY_AFTER_SECONDS), "Connection": "close"},
)


@exit_message("console")
def main() -> None:
    """Serve until SIGTERM, then finish the requests under way. Exit with a message if the process may open too few files."""
    settings = settings_or_exit(ConsoleSettings)
    configure_logging(settings, "console")
    wanted = Capacity(settings.console_connections, settings.console_streams)
    # A live page holds a stream of the API for as long as it is open.
    capacity = capacity_within(raise_open_file_limit(), wanted, files_of_a_stream=2)
    api = connection_to(settings.api_url, capacity.event_streams + capacity.threads, settings.api_ca_file)
    prometheus = None
    if settings.prometheus_url is not None:
        prometheus = connection_to(settings.prometheus_url, capacity.threads)
    app = create_app(settings, api, issuer_connection(settings.oidc_ca_file), prometheus, capacity)
    at = Listening(
        settings.console_host,
        settings.console_port,
        settings.console_tls_certificate_file,
        settings.console_tls_key_file,
    )
    serve(app, at, capacity, BUSY, graceful_seconds=2)


if __name__ == "__main__":
    main()
