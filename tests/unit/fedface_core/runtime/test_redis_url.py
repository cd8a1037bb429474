"""A URL in which a client would not find the server is refused, with what would be right and without the password."""

from __future__ import annotations

import pytest

from fedface_core.runtime.redis_url import check_redis_url

SECRET = "tell/nobody"


@pytest.mark.parametrize(
    "url",
    [
        "redis://redis",
        "redis://redis:6379",
        "redis://:own@redis:6379/0",
        "redis://user:own@[::1]:6379/15",
        "rediss://:own@redis:6379/0?ssl_cert_reqs=required",
        "redis://:a%23b%2Fc@redis:6379/",
        "redis://:a@b@redis:6379/0",
        "unix:///run/redis.sock",
    ],
)
def test_a_good_redis_url(url: str) -> None:
    check_redis_url(url)


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        (f"redis://:{SECRET}@redis:6379/0", "has a secret that ends too early"),
        ("redis://:6379/nobody@redis:6379/0", "has a secret that ends too early"),
        ("redis://:tell#nobody@redis:6379/0", "has a secret that ends too early"),
        ("redis://:tell?nobody@redis:6379/0", "has a secret that ends too early"),
        ("redis://:nobody@redis:6379/0#", None),
        ("redis://:nobody@redis:6379/0#1", "has a secret that ends too early"),
        ("redis://:tell[nobody@redis:6379/0", "is no URL"),
        ("redis://:tell]nobody@redis:6379/0", "is no URL"),
        ("redis://:tell nobody@redis:6379/0", "has white space or a control character"),
        ("redis://:nobody@redis:6379/0\r", "has white space or a control character"),
        ("redis://:nobody@redis:port/0", "has a port that is not a number from 1 to 65535"),
        ("redis://:nobody@redis:0/0", "has a port that is not a number from 1 to 65535"),
        ("redis://:nobody@redis:65536/0", "has a port that is not a number from 1 to 65535"),
        ("redis://:nobody@:6379/0", "names no host"),
        ("redis://", "names no host"),
        ("", "names no host"),
        ("redis:6379", "names no host"),
        ("nobody", "names no host"),
        ("redis://:nobody@redis:6379/first", "has a path that is not the number of a database"),
    ],
)
def test_a_wrong_redis_url(url: str, complaint: str | None) -> None:
    if complaint is None:
        check_redis_url(url)
        return
    with pytest.raises(ValueError, match=f"^{complaint}") as caught:
        check_redis_url(url)
    assert "nobody" not in str(caught.value)
    assert "redis://:secret@host:6379/0" in str(caught.value)
    assert "# is %23" in str(caught.value)
