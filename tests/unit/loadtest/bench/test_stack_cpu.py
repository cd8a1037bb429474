"""Every process of a stack has a role; what a client takes is what the training rounds took, by their clients."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from fedface_stack.stack import SERVICES
from loadtest.bench import stack_cpu
from loadtest.bench.cpu_meter import CpuMeter, CpuSeconds, Reading
from loadtest.bench.reference_workload import reference_plan
from loadtest.bench.stack_cpu import IDLE, IN_ALL, RoundsWithCpu, by_role


@pytest.mark.parametrize("servers", [("valkey",), ("valkey", "s3")])
def test_every_process_of_a_stack_counts_once(servers: tuple[str, ...]) -> None:
    used = {name: CpuSeconds(1.0, 20.0, 300.0) for name in (*SERVICES, *servers)}
    roles = by_role(used)
    assert roles["client processes, main thread"] == 20.0
    assert roles["client processes, delivery"] == 300.0
    assert roles["client worker, which starts them"] == 1.0
    assert roles["control, sweep, evaluator"] == 3 * 321.0
    assert ("S3 server" in roles) is ("s3" in servers)
    in_all = roles.pop(IN_ALL)
    assert in_all == sum(roles.values()) == 321.0 * len(used)


def test_what_a_client_takes_is_of_the_training_rounds_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enrolment ends at 100 s. Then two rounds of two clients take six seconds of an aggregator, and nine when repeated."""

    def at(seconds: float) -> datetime:
        return datetime.fromtimestamp(seconds, UTC)

    views: list[Any] = [
        SimpleNamespace(number=number, failed={}, accepted=2, opened_at=at(opened), finished_at=at(finished))
        for number, opened, finished in ((1, 100.0, 101.0), (2, 101.0, 103.0))
    ]
    repetition = 0

    def run(*_: object) -> list[Any]:
        nonlocal repetition
        repetition += 1
        return views

    def sample(meter: CpuMeter) -> None:
        seconds = (0.0, 50.0, 50.0 + 3.0 * (1 + repetition), 99.0)
        moments = (90.0, 100.0, 103.0, 110.0)
        meter.readings = [
            Reading(moment, moment, {"client": CpuSeconds(), "aggregator": CpuSeconds(own=used)})
            for moment, used in zip(moments, seconds, strict=True)
        ]

    monkeypatch.setattr(stack_cpu, "training_rounds", run)
    monkeypatch.setattr(CpuMeter, "sample", sample)
    stack: Any = SimpleNamespace(processes={name: SimpleNamespace(pid=1) for name in ("client", "aggregator")})
    measured = RoundsWithCpu(stack)
    assert measured.mean_round_seconds("FedFace", reference_plan(2, 2)) == 1.5
    measured.mean_round_seconds("FedFace", reference_plan(2, 2))
    of_fedface = measured.ms_a_client()["FedFace"]
    assert of_fedface["aggregator"].values == pytest.approx((1500.0, 2250.0))
    assert of_fedface[IN_ALL].values == pytest.approx((1500.0, 2250.0))
    assert of_fedface[IDLE].values == pytest.approx((750.0, 750.0))
