"""How many requests an actor may send in a minute, and what happens if Redis does not count."""

from __future__ import annotations

import pytest
from limits.storage import MemoryStorage

from fedface_control.auth.errors import TooManyRequestsError
from fedface_control.auth.limits import RequestLimits, counts_in_redis
from fedface_core.adapters.memory import ManualClock
from support.signing_in import FIRST_KEY, bearer, client_of, closed_sign_in


class Flaky(MemoryStorage):
    """Counts that others share, which can be away."""

    away = False
    asked = 0

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        self.asked += 1
        if self.away:
            raise ValueError("Redis is away")  # what this storage wraps
        return super().incr(key, expiry, amount)


def test_one_actor_too_many_requests_and_another_none() -> None:
    limits = RequestLimits(requests=3, failures=1)
    for _ in range(3):
        limits.count_request("key:ann")
    with pytest.raises(TooManyRequestsError, match="key:ann has sent 3 requests in a minute; try again in") as refused:
        limits.count_request("key:ann")
    assert 1 <= int(refused.value.headers["Retry-After"]) <= 60
    limits.count_request("key:ben")
    limits.count_failure("key:ann")  # another count


def test_processes_share_their_counts() -> None:
    shared = MemoryStorage()
    one, other = (RequestLimits(2, 1, shared) for _ in range(2))
    one.count_request("key:ann")
    other.count_request("key:ann")
    with pytest.raises(TooManyRequestsError):
        one.count_request("key:ann")


def test_a_process_counts_alone_while_redis_is_away() -> None:
    clock = ManualClock()
    shared = Flaky(wrap_exceptions=True)
    shared.away = True
    limits = RequestLimits(2, 1, shared, monotonic=clock.monotonic)
    limits.count_request("key:ann")
    limits.count_request("key:ann")
    with pytest.raises(TooManyRequestsError):
        limits.count_request("key:ann")
    assert shared.asked == 1, "it is left alone for a while"
    shared.away = False
    clock.advance(10)
    limits.count_request("key:ann")
    assert shared.asked == 2


def test_nobody_waits_for_a_redis_that_is_not_there() -> None:
    limits = RequestLimits(1, 1, counts_in_redis("redis://127.0.0.1:1/0"))
    limits.count_request("key:ann")
    with pytest.raises(TooManyRequestsError):
        limits.count_request("key:ann")


def test_the_answer_says_when_to_come_again() -> None:
    with client_of(closed_sign_in(requests=2)) as api:
        for _ in range(2):
            assert api.get("/v1/me", headers=bearer(FIRST_KEY)).status_code == 200
        refused = api.get("/v1/me", headers=bearer(FIRST_KEY))
        assert (refused.status_code, refused.json()["title"]) == (429, "Too many requests")
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
        assert api.get("/healthz").status_code == 200


def test_failed_sign_ins_are_counted_and_lock_nobody_out() -> None:
    with client_of(closed_sign_in(failures=2)) as api:
        statuses = [api.get("/v1/me", headers=bearer(f"wrong {number}")).status_code for number in range(4)]
        assert statuses == [401, 401, 429, 429]
        assert api.get("/v1/me").status_code == 401, "who sends no credentials guesses none"
        assert api.get("/v1/me", headers=bearer(FIRST_KEY)).status_code == 200
