"""What simulated devices do: equal in every process, as often as the plan says, unless the trace says otherwise."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from statistics import fmean, median
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fedface_core.domain.devices import Behaviour, RoundTask, behaviour, uploads
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.devices import LONGEST_WAIT_SECONDS

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
MANY = 2000


def plan_of(seed: int = 0, **devices: Any) -> Plan:
    return Plan.model_validate({"split": {"clients": MANY}, "seed": seed, "devices": devices})


def all_clients(plan: Plan, number: int = 1, now: datetime = NOW) -> list[Behaviour]:
    return [behaviour(plan, client_id(index), number, now) for index in range(MANY)]


def share(devices: list[Behaviour], what: str) -> float:
    return fmean(bool(getattr(device, what)) for device in devices)


def test_without_a_profile_every_device_is_ideal() -> None:
    for number in (0, 1):
        assert set(all_clients(plan_of(), number)) == {Behaviour()}


def test_a_client_behaves_alike_in_every_process() -> None:
    """Whatever Python's own hashing is seeded with."""
    program = (
        "from datetime import UTC, datetime; from fedface_core.domain.devices import behaviour; "
        "from fedface_core.domain.plan import Plan; "
        "plan = Plan.model_validate({'seed': 3, 'devices': {'profile': 'flaky'}}); "
        "print([behaviour(plan, f'client-{i:06d}', n, datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)) "
        "for i in range(20) for n in range(3)])"
    )
    plan = Plan.model_validate({"seed": 3, "devices": {"profile": "flaky"}})
    here = [behaviour(plan, client_id(index), number, NOW) for index in range(20) for number in range(3)]
    elsewhere = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert elsewhere.stdout.strip() == repr(here)


def test_another_seed_round_or_client_draws_anew() -> None:
    """Half of the clients drop out, so of two independent draws a quarter agrees on it."""
    first = [device.drops_out_at for device in all_clients(plan_of(dropout=0.5))]
    for other in (all_clients(plan_of(seed=1, dropout=0.5)), all_clients(plan_of(dropout=0.5), number=2)):
        both = fmean(None not in (one, two.drops_out_at) for one, two in zip(first, other, strict=True))
        assert both == pytest.approx(0.25, abs=0.03)


def test_each_behaviour_is_as_frequent_as_the_plan_says() -> None:
    devices = all_clients(plan_of(profile="flaky"))
    assert share(devices, "drops_out_at") == pytest.approx(0.2, abs=0.02)
    assert share(devices, "available") == pytest.approx(0.6, abs=0.03)
    assert share(devices, "late_seconds") == pytest.approx(0.2, abs=0.02)
    assert {device.late_seconds for device in devices} == {0.0, 20.0}
    failures = Counter(device.upload_failures for device in devices)
    assert sorted(failures) == [0, 1, 2, 3]
    for count, expected in enumerate((0.7, 0.3 * 0.7, 0.3**2 * 0.7, 0.3**3)):
        assert failures[count] / MANY == pytest.approx(expected, abs=0.03)


def test_certainties_are_certain() -> None:
    devices = all_clients(plan_of(dropout=1, upload_failure=1, upload_attempts=2, lateness=1, lateness_seconds=7))
    assert set(devices) == {Behaviour(drops_out_at=RoundTask.TRAIN, upload_failures=2, late_seconds=7)}


@pytest.mark.parametrize(
    ("masks", "tasks"),
    [
        ({}, [RoundTask.TRAIN]),
        ({"secure_aggregation": {}}, [RoundTask.SHARE, RoundTask.TRAIN, RoundTask.REVEAL]),
        (
            {"secure_aggregation": {"against": "lying"}},
            [RoundTask.SHARE, RoundTask.TRAIN, RoundTask.SIGN, RoundTask.REVEAL],
        ),
    ],
)
def test_a_device_may_drop_out_at_each_task_of_a_round(masks: dict[str, Any], tasks: list[RoundTask]) -> None:
    """At each, a tenth of those that have not dropped out before."""
    parts: dict[str, Any] = {
        "split": {"clients": MANY},
        "cohort": {"shard_size": 64},
        "model": {"centring": False},
        "strategy": "gaussian-negatives",
        "devices": {"dropout": 0.1},
    }
    plan = Plan.model_validate(parts | masks)
    at = Counter(device.drops_out_at for device in all_clients(plan))
    left = 1.0
    for task in tasks:
        assert at.pop(task) / MANY == pytest.approx(0.1 * left, abs=0.02)
        left *= 0.9
    assert at.keys() == {None}


def test_a_client_uploads_unless_it_drops_out_before_or_all_its_uploads_break_off() -> None:
    plan = plan_of(dropout=0.2, upload_failure=0.5, upload_attempts=2, available_fraction=0.1)
    for client in map(client_id, range(200)):
        device = behaviour(plan, client, 1, NOW)
        assert uploads(plan, client, 1) == (device.drops_out_at is None and device.upload_failures < 2)
    assert uploads(plan_of(), client_id(0), 1)


def test_speeds_are_log_normal_about_their_mean_and_a_clients_own() -> None:
    plan = plan_of(mean_seconds=3, speed_spread=0.8)
    seconds = [device.seconds for device in all_clients(plan)]
    assert fmean(seconds) == pytest.approx(3, rel=0.1)
    assert median(seconds) == pytest.approx(3 * 2.718281828 ** (-(0.8**2) / 2), rel=0.1)
    assert [device.seconds for device in all_clients(plan, number=7)] == seconds
    assert {device.seconds for device in all_clients(plan_of(mean_seconds=3))} == {3.0}


def test_to_change_one_number_leaves_the_other_draws_as_they_were() -> None:
    before = all_clients(plan_of(profile="flaky"))
    after = all_clients(plan_of(profile="flaky", dropout=0.9))
    for what in ("available", "seconds", "upload_failures", "late_seconds"):
        assert [getattr(device, what) for device in before] == [getattr(device, what) for device in after]


def test_each_client_has_one_window_in_a_period_that_comes_again() -> None:
    plan = plan_of(available_fraction=0.25, availability_period_seconds=100)
    starts = set()
    for index in range(20):
        answers = [behaviour(plan, client_id(index), 1, NOW + timedelta(seconds=s)).available for s in range(200)]
        assert answers[:100] == answers[100:]
        assert sum(answers[:100]) == pytest.approx(25, abs=1)
        (start,) = [s for s in range(1, 101) if answers[s] and not answers[s - 1]]
        starts.add(start)
    assert len(starts) > 10, "the windows are spread over the period"


def test_a_dropped_out_device_stays_so_however_often_it_is_asked() -> None:
    plan = plan_of(dropout=0.5)
    assert [device.drops_out_at for device in all_clients(plan)] == [
        device.drops_out_at for device in all_clients(plan, now=NOW + timedelta(days=1))
    ]


@given(st.integers(0, 300), st.integers(0, 30), st.integers(0, 300))
def test_no_device_waits_longer_than_a_task_may(mean: int, tenths: int, late: int) -> None:
    assume(mean + late <= LONGEST_WAIT_SECONDS)
    plan = plan_of(mean_seconds=mean, speed_spread=tenths / 10, lateness=1, lateness_seconds=late)
    for index in range(20):
        device = behaviour(plan, client_id(index), 1, NOW)
        assert 0 <= device.seconds <= LONGEST_WAIT_SECONDS - device.late_seconds


def test_enrolment_draws_nothing_but_the_speed() -> None:
    plan = plan_of(profile="flaky", dropout=1, upload_failure=1, lateness=1)
    trained = all_clients(plan)
    assert all_clients(plan, number=0) == [Behaviour(seconds=device.seconds) for device in trained]


def test_the_trace_has_the_last_word_field_by_field() -> None:
    drawn = plan_of(profile="flaky")
    traced = plan_of(
        profile="flaky",
        trace=[
            {"client": "client-000002", "seconds": 9, "drops_out": True, "available": True},
            {"client": "client-000002", "round": 3, "seconds": 1, "late_seconds": 2, "upload_failures": 0},
        ],
    )
    in_trace = client_id(2)
    not_in_trace = client_id(3)
    for number in (1, 2):
        draws = behaviour(drawn, in_trace, number, NOW)
        expected = Behaviour(True, RoundTask.REGISTER, 9, draws.upload_failures, draws.late_seconds)
        assert behaviour(traced, in_trace, number, NOW) == expected
    assert behaviour(traced, in_trace, 3, NOW) == Behaviour(True, RoundTask.REGISTER, 1, 0, 2)
    assert behaviour(traced, in_trace, 0, NOW) == behaviour(drawn, in_trace, 0, NOW), "no round: each training round"
    assert behaviour(traced, not_in_trace, 3, NOW) == behaviour(drawn, not_in_trace, 3, NOW)


def test_a_trace_for_round_0_changes_enrolment() -> None:
    plan = plan_of(profile="flaky", trace=[{"client": "client-000002", "round": 0, "available": False}])
    assert not behaviour(plan, client_id(2), 0, NOW).available
    assert behaviour(plan, client_id(1), 0, NOW).available


def test_a_trace_cannot_have_a_device_wait_longer_either() -> None:
    plan = plan_of(trace=[{"client": "client-000002", "seconds": 250, "late_seconds": 200}])
    assert behaviour(plan, client_id(2), 1, NOW) == Behaviour(seconds=100, late_seconds=200)
