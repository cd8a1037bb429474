"""``python -m fedface_console``: the process that serves the console."""

from __future__ import annotations

import uvicorn

from fedface_console.app import create_app
from fedface_console.control_api import connection_to
from fedface_console.issuer import issuer_connection
from fedface_console.settings import load_console_settings
from fedface_core.runtime.exit_message import exit_message
from fedface_core.runtime.logging import configure_logging


@exit_message("console")
def main() -> None:
    """Serve until SIGTERM, then finish the requests under way."""
    settings = load_console_settings()
    configure_logging(settings, "console")
    api = connection_to(settings.api_url, settings.api_ca_file)
    prometheus = connection_to(settings.prometheus_url) if settings.prometheus_url is not None else None
    uvicorn.run(
        create_app(settings, api, issuer_connection(settings.oidc_ca_file), prometheus),
        host=settings.console_host,
        port=settings.console_port,
        ssl_certfile=settings.console_tls_certificate_file,
        ssl_keyfile=settings.console_tls_key_file,
        limit_concurrency=settings.console_connections,
        ws="none",
        log_config=None,
        timeout_graceful_shutdown=2,
        access_log=False,
        server_header=False,
    )


if __name__ == "__main__":
    main()
