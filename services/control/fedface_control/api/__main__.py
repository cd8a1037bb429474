"""``python -m fedface_control.api``: the process that serves the API."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from prometheus_client import REGISTRY

from fedface_control.api.app import create_app
from fedface_control.api.capacity import ApiCapacity
from fedface_control.api.problems import busy_response
from fedface_control.api.request_traces import trace_requests
from fedface_control.auth.by_settings import sign_in_by
from fedface_control.operate.quota import Quota
from fedface_control.upkeep.claims import claim_for_earlier_runs
from fedface_control.upkeep.restore import pause_older_runs, restore_all
from fedface_core.bootstrap import connect, connect_api_keys, connect_dead_letters, ensure_bucket
from fedface_core.domain.errors import UnavailableError
from fedface_core.http_server.capacity import capacity_within
from fedface_core.http_server.serve import Listening, serve
from fedface_core.runtime.celery_app import create_celery
from fedface_core.runtime.clock_skew import ClockSkew
from fedface_core.runtime.exit_message import exit_message
from fedface_core.runtime.logging import configure_logging
from fedface_core.runtime.metrics import Dependency
from fedface_core.runtime.open_files import raise_open_file_limit
from fedface_core.runtime.patience import wait_for_dependency, with_patience
from fedface_core.runtime.prompt_answers import PromptCollector
from fedface_core.runtime.settings import ControlSettings, load_settings
from fedface_core.runtime.traces import require_traces, start_traces


@exit_message("control")
def main() -> None:
    """Serve until SIGTERM, then finish the requests under way.

    Exit with a message if nobody could sign in, if the artifact store is away at the start, if the ledger's server may evict
    records, or if the process may open too few files.
    """
    settings = load_settings(ControlSettings)
    require_traces(settings)
    configure_logging(settings, "control", with_trace_ids=settings.traces_url is not None)
    start_traces(settings, "control")
    ports = replace(connect(settings, create_celery(settings)), dead_letters=connect_dead_letters(settings))
    sign_in = sign_in_by(settings, connect_api_keys(settings))
    patience = settings.patience_seconds
    wanted = ApiCapacity(
        connections=settings.api_connections,
        event_streams=settings.api_event_streams,
        event_streams_of_run=settings.api_event_streams_of_run,
        event_streams_of_client=settings.api_event_streams_of_client,
        uploads=settings.api_uploads,
        model_bytes=settings.api_model_bytes,
    )
    capacity = capacity_within(raise_open_file_limit(), wanted)
    with suppress(UnavailableError):  # the ledger may come later; until then /readyz and each answer say what is wrong
        ports.ledger.ping()
    wait_for_dependency(Dependency.ARTIFACT_STORE, patience, lambda: ensure_bucket(settings))
    patient_ports = with_patience(ports, patience)
    claim_for_earlier_runs(patient_ports)
    if settings.restore_on_start:
        restore_all(patient_ports)
    with suppress(UnavailableError):
        pause_older_runs(ports)
    skew = ClockSkew(ports.clock)
    skew.compare()  # so that a wrong clock is logged at the start, though nobody scrapes
    REGISTRY.register(PromptCollector(skew))
    app = create_app(ports, REGISTRY, sign_in, capacity, Quota(settings.api_runs, settings.api_plan_bytes, settings.budget))
    trace_requests(app)
    at = Listening(
        settings.api_host,
        settings.api_port,
        settings.api_tls_certificate_file,
        settings.api_tls_key_file,
        settings.api_root_path,
    )
    refusal = busy_response("the API has as many connections as it can serve")
    serve(app, at, capacity, refusal, graceful_seconds=5)


if __name__ == "__main__":
    main()
