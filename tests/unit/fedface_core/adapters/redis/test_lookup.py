"""A record that cannot be read hides no other run."""

from __future__ import annotations

from datetime import UTC, datetime

import structlog

from fedface_core.adapters.redis.lookup import readable_runs, unreadable_runs
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import Run

RUN = Run(id="run-0123456789ab", plan=Plan(), correlation_id="c", created_at=datetime(2026, 1, 1, tzinfo=UTC))


def test_missing_and_unreadable_records_are_left_out_and_the_latter_logged() -> None:
    records = {"run-000000000001": None, "run-000000000002": "half a rec", RUN.id: RUN.model_dump_json()}
    with structlog.testing.capture_logs() as logs:
        assert readable_runs(records) == [RUN]
    assert unreadable_runs(records).keys() == {"run-000000000002"}
    assert "this is no Run: Invalid JSON" in unreadable_runs(records)["run-000000000002"]
    assert [(record["event"], record["run_id"]) for record in logs] == [("record_unreadable", "run-000000000002")]
