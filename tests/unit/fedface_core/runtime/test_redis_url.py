"""Ledger and broker read a URL alike, or it is refused with what would be right, and without the password."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection
from redis import Redis

from fedface_core.runtime.redis_url import check_redis_url, uses_tls

TRANSPORT = "fedface_core.runtime.broker_transport:Transport"


@pytest.mark.parametrize(
    "url",
    [
        "redis://redis",
        "redis://redis:7000/",
        "redis://:own%2F%3F%23%40%3B%25@redis:6379/3",
        "redis://user:own@[::1]:6379/15",
        "rediss://:own@redis:6379/0",
    ],
)
def test_both_libraries_read_an_accepted_url_alike(url: str) -> None:
    check_redis_url(url)
    ledger: dict[str, Any] = Redis.from_url(url).connection_pool.connection_kwargs
    broker = Connection(url, transport=TRANSPORT)
    assert ledger["host"] == broker.hostname
    assert ledger.get("port", 6379) == (broker.port or 6379)
    assert ledger.get("db", 0) == int(broker.virtual_host.strip("/") or 0)
    assert (ledger.get("username"), ledger.get("password")) == (broker.userid, broker.password)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "is no URL; write redis://:secret@host:6379/0, or rediss://:secret@host:6379/0 with TLS"),
        ("own", "is no URL"),
        ("REDISS://:own@redis", "is no URL"),
        ("http://:own@redis", "begins with http://, which is not supported; write redis://"),
        ("sentinel://:own@redis:26379", "begins with sentinel://"),
        ("redis+socket:///run/redis.sock", "begins with redis+socket://"),
        ("unix://:own@/run/redis.sock", "begins with unix://"),
        ("amqp://guest:own@rabbit", "begins with amqp://"),
        ("redis+cluster://:own@redis", "begins with redis+cluster://"),
        ("redis://", "names no host; write redis://:secret@host:6379/0"),
        ("redis:///0", "names no host"),
        ("redis://:own@:6379/0", "names no host"),
        ("redis://:own/secret@redis:6379/0", "has a secret that ends too early; write redis://:secret@host:6379/0"),
        ("redis://:6379/own@redis:6379/0", "has a secret that ends too early"),
        ("redis://:own#secret@redis:6379/0", "has a secret that ends too early"),
        ("redis://:own@redis:6379/0#1", "has a secret that ends too early"),
        ("redis://:own?secret@redis:6379/0", "has a secret that ends too early"),
        ("redis://:tell[own@redis:6379/0", "is no URL; write redis://"),
        ("redis://:tell]own@redis:6379/0", "%5B for [, %5C for \\ and %5D for ]"),
        ("redis://:own@redis:port/0", "has a port that is not a number from 1 to 65535"),
        ("redis://:own@redis:70000/0", "has a port that is not a number from 1 to 65535"),
        ("redis://:own@redis:0/0", "has a port that is not a number from 1 to 65535"),
        ("redis://[::1/0", "is no URL"),
        ("redis://:own@one:6379/0;redis://:own@two:6379/0", "has a space, a semicolon, a backslash or a control character"),
        ("redis://:own\x1b@redis:6379/0", "a control character"),
        ("redis://:own secret@redis:6379/0", "has a space"),
        ("redis://:own@redis:6379/0\n", "has a space"),
        ("redis://:own@redis:6379/ledger", "has a path that is no database"),
        ("redis://:own@redis:6379/0/1", "has a path that is no database"),
        ("redis://:own@redis:6379?db=5", "has parameters after ?, which only a rediss:// URL can have"),
        ("redis://:own@redis:6379/0?ssl_ca_certs=/ca.pem", "which only a rediss:// URL can have"),
        ("rediss://:own@redis:6379/0?socket_timeout=5", "possible are ssl_ca_certs, ssl_cert_reqs, ssl_certfile"),
        ("rediss://:own@redis:6379/0?ssl_ca_certs=/no/such.pem", "must name a file, and '/no/such.pem' is none here"),
        ("rediss://:own@redis:6379/0?ssl_ca_certs=", "must name a file"),
        ("rediss://:own@redis:6379/0?ssl_cert_reqs=optional", "ssl_cert_reqs, which must be required or none"),
        ("rediss://:own@redis:6379/0?ssl_check_hostname=0", "ssl_check_hostname, which must be true or false"),
        ("rediss://:own@redis:6379/0?ssl_cert_reqs=none&ssl_cert_reqs=required", "has a parameter twice"),
    ],
)
def test_any_other_url_is_refused_with_what_would_be_right(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        check_redis_url(url)
    assert "own" not in str(refused.value).replace("unknown", "")


def test_tls_has_parameters(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text("certificate")
    url = f"rediss://:own@redis/0?ssl_ca_certs={authority}&ssl_check_hostname=false"
    check_redis_url(url)
    assert uses_tls(url)
    assert not uses_tls("redis://redis")
    options: dict[str, Any] = Redis.from_url(url).connection_pool.connection_kwargs
    assert Connection(url, transport=TRANSPORT).ssl == {
        "ssl_ca_certs": options["ssl_ca_certs"],
        "ssl_check_hostname": options["ssl_check_hostname"],
    }
