"""A setting is taken exactly if the client that reads it can use it, and a message never quotes a secret."""

from __future__ import annotations

from urllib.parse import quote

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from kombu.utils.url import parse_url
from minio import Minio

from fedface_core.runtime.setting_types import check_bucket_name, check_endpoint, check_redis_url

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
