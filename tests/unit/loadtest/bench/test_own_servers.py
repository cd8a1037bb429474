"""The servers that a benchmark starts for itself."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from loadtest.bench.own_servers import own_redis, own_s3
from support.process_groups import have_ended


def test_a_valkey_is_empty_and_gone_at_the_end(tmp_path: Path) -> None:
    with own_redis(tmp_path) as url, redis.Redis.from_url(url) as client:
        assert client.dbsize() == 0
    with redis.Redis.from_url(url) as client, pytest.raises(redis.ConnectionError):
        client.ping()


@pytest.mark.slow
def test_an_s3_server_has_an_empty_bucket_and_is_gone_at_the_end(tmp_path: Path) -> None:
    with own_s3(tmp_path) as s3:
        assert s3.secret_key not in repr(s3)
        store = s3.artifacts()
        assert list(store.keys("")) == []
        store.put("models/one", b"a model")
        assert store.get("models/one") == b"a model"
    assert have_ended(s3.pid)
