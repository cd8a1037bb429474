"""The keys of a run are in one slot of a cluster, and times are stored exactly."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from fedface_core.adapters.redis.keys import from_microseconds, round_keys, run_keys, to_microseconds

RUN = "run-0123456789ab"


def test_all_keys_of_a_run_have_its_id_as_the_hash_tag() -> None:
    keys = [*run_keys(RUN), *round_keys(RUN, 0), *round_keys(RUN, 12)]
    assert len(set(keys)) == len(keys)
    assert {re.findall(r"\{(.*?)\}", key)[0] for key in keys} == {RUN}


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)))
def test_a_time_is_stored_exactly(time: datetime) -> None:
    microseconds = to_microseconds(time)
    assert from_microseconds(microseconds) == time
    assert microseconds < 2**53, "Lua's numbers hold it exactly"


def test_a_time_of_another_zone_is_the_same_moment() -> None:
    berlin = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=1)))
    assert from_microseconds(to_microseconds(berlin)) == datetime(2026, 1, 1, 11, tzinfo=UTC)
