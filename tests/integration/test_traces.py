"""A round on a local stack is one trace, from control to clients, aggregator and evaluator, in an OTLP receiver."""

from __future__ import annotations

import gzip
import json
import time
from collections import defaultdict
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from fedface_cli.api_client import ControlApi
from fedface_core.domain.run import ENDED
from fedface_core.runtime.traces import ids_of
from fedface_stack.stack import LocalStack
from loadtest.dashboards.eventful_run import plan_of
from support.monitoring import Receiver, receiving
from support.servers import wait_for

pytestmark = pytest.mark.long


def spans(collector: Receiver) -> dict[str, dict[str, list[tuple[str, str, str]]]]:
    """Trace → service → name, id and parent's id of each of its spans."""
    found: dict[str, dict[str, list[tuple[str, str, str]]]] = defaultdict(lambda: defaultdict(list))
    for request in [*collector.received]:
        packed = request.headers.get("content-encoding") == "gzip"
        exported = ExportTraceServiceRequest.FromString(gzip.decompress(request.body) if packed else request.body)
        for resource in exported.resource_spans:
            (service,) = [one.value.string_value for one in resource.resource.attributes if one.key == "service.name"]
            for scope in resource.scope_spans:
                for span in scope.spans:
                    ids = (span.span_id.hex(), span.parent_span_id.hex())
                    found[span.trace_id.hex()][service].append((span.name, *ids))
    return found


def test_each_round_is_one_trace_over_all_services(tmp_path: Path) -> None:
    with receiving(answer=lambda _: 200) as collector:
        environment = {"FEDFACE_TRACES_URL": f"{collector.url}/v1/traces", "FEDFACE_LOG_FORMAT": "json"}
        with LocalStack(tmp_path / "stack", client_workers=1, environment=environment) as stack:
            with ControlApi(stack.api_url) as api:
                run_id = api.create(plan_of("traced", clients=3, rounds=2, steps=1)).id
                api.start(run_id)
                wait_for("the run to end", lambda: api.run(run_id).phase in ENDED)
                assert api.run(run_id).phase == "completed", "no signature was broken"
            time.sleep(2.5)  # spans are sent every second
            log = (stack.logs / "client.log").read_text()
        records = [json.loads(line) for line in log.splitlines() if '"clients_done"' in line]
        life = records[0]["correlation_id"]
        found = spans(collector)
    for number in range(3):
        ids = ids_of(life, number)
        trace = found[f"{ids.trace:032x}"]
        assert trace.keys() == {"fedface-control", "fedface-client", "fedface-aggregator", "fedface-evaluator"}
        (root,) = [span for spans_of in trace.values() for span in spans_of if not span[2]]
        assert root[:2] == (f"round {number}", f"{ids.span:016x}")
        parents = {parent for spans_of in trace.values() for _, _, parent in spans_of if parent}
        assert parents == {root[1]}
    assert {record["trace_id"] for record in records} == {f"{ids_of(life, number).trace:032x}" for number in range(3)}
    requests = [span for trace in found.values() for span in trace.get("fedface-control", []) if span[0].startswith("POST")]
    assert requests, "the API's requests are traced"
