"""A setting is taken exactly if the client that reads it can use it, and a message never quotes a secret."""

from __future__ import annotations

from urllib.parse import quote

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from kombu.utils.url import parse_url
from minio import Minio

from fedface_core.runtime.redis_url import check_redis_url
from fedface_core.runtime.setting_types import check_bucket_name, check_endpoint


@given(st.text(min_size=1))
def test_an_encoded_secret_reaches_both_clients(secret: str) -> None:
    url = f"redis://:{quote(secret, safe='')}@redis:6380/3"
    check_redis_url(url)
    options = redis.Redis.from_url(url).connection_pool.connection_kwargs
    assert (options["password"], options["host"], options["port"], options["db"]) == (secret, "redis", 6380, 3)
    celerys = parse_url(url)
    assert (celerys["password"], celerys["hostname"], celerys["port"]) == (secret, "redis", 6380)


@given(st.text(st.characters(codec="ascii", exclude_categories=("C", "Z")), min_size=1))
def test_a_raw_secret_reaches_redis_or_is_refused(secret: str) -> None:
    if "%" in secret:  # it may stand for another character
        return
    url = f"redis://:{secret}@redis:6380/3"
    try:
        check_redis_url(url)
    except ValueError:
        return
    options = redis.Redis.from_url(url).connection_pool.connection_kwargs
    assert (options["password"], options["host"], options["port"]) == (secret, "redis", 6380)


@pytest.mark.parametrize(
    "endpoint", ["minio:9000", "minio", "127.0.0.1:9000", "[::1]:9000", "s3.eu-west-1.amazonaws.com", "a/"]
)
def test_a_good_endpoint(endpoint: str) -> None:
    check_endpoint(endpoint)
    Minio(endpoint, access_key="key", secret_key="own", region="us-east-1", secure=False)


@pytest.mark.parametrize(
    ("endpoint", "complaint"),
    [
        (
            "http://minio:9000",
            "begins with a scheme: give host:port, such as minio:9000; FEDFACE_S3_SECURE=true is for https",
        ),
        ("https://key:nobody@minio", "begins with a scheme"),
        ("key:nobody@minio:9000", "has credentials"),
        ("minio:9000/bucket", "has more than host and port: .*FEDFACE_S3_BUCKET"),
        ("minio:9000?x=1", "has more than host and port"),
        ("minio:port", "has a port that is not a number"),
        ("minio:0", "has a port that is not a number"),
        ("minio:65536", "has a port that is not a number"),
        (":9000", "names no host"),
        ("", "names no host"),
        ("mi nio:9000", "names no host"),
        ("[::1:9000", "is no address"),
    ],
)
def test_a_wrong_endpoint(endpoint: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"^{complaint}") as caught:
        check_endpoint(endpoint)
    assert "nobody" not in str(caught.value)


@pytest.mark.parametrize("name", ["fedface", "fed-face", "fed.face", "a1b", "a--b", "1.2.3", "x" * 63])
def test_a_good_name_of_a_bucket(name: str) -> None:
    check_bucket_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "ab", "x" * 64, "Fed_Face", "fedFace", "-fed", "fed-", "fed..face", "fed.-face", "fed-.face", "127.0.0.1", "fé1"],
)
def test_a_wrong_name_of_a_bucket(name: str) -> None:
    with pytest.raises(ValueError, match="the name of a bucket has 3 to 63 lower-case letters"):
        check_bucket_name(name)
