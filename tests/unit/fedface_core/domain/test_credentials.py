"""No password of a URL is left in a text, however the URL is written."""

from __future__ import annotations

import string
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedface_core.domain.credentials import mask_credentials, mask_url

PASSWORDS = st.text(string.ascii_letters + string.digits + string.punctuation + "é人", min_size=1, max_size=30).map(
    "pw~".__add__
)
SCHEMES = st.sampled_from(["http", "https", "redis", "rediss", "socks5", "s3", "git+ssh"])
PLACES = st.sampled_from(
    ["{}", "'{}'", '"{}"', "no API at {}: start one", "({})", "HTTPConnectionPool(host={}): refused", "a b\n{}\tc", "x={}"]
)


@given(SCHEMES, PASSWORDS, PLACES)
def test_no_password_is_left_in_a_text_with_a_url(scheme: str, password: str, place: str) -> None:
    for userinfo in (f"user:{password}", f":{password}", password, f"user:{quote(password, safe='')}"):
        text = place.format(f"{scheme}://{userinfo}@host.example:6379/0")
        masked = mask_credentials(text)
        assert "pw~" not in masked
        assert f"{scheme}://***@host.example:6379/0" in masked
        assert mask_credentials(masked) == masked


@given(SCHEMES, PASSWORDS)
def test_no_password_is_left_in_a_url_within_a_url(scheme: str, password: str) -> None:
    inner = f"{scheme}://user:{quote(password, safe='')}@host/"
    for depth in range(1, 4):
        inner = quote(inner, safe="")
        masked = mask_credentials(f"GET http://control/runs?next={inner}&limit=5 failed")
        assert "pw~" not in masked, depth
        assert masked.startswith("GET http://control/runs?next=")


@pytest.mark.parametrize(
    "name", ["password", "PASSWORD", "auth_token", "X-Amz-Signature", "api_key", "access-key", "secret"]
)
@pytest.mark.parametrize(
    "url", ["http://h/?{}=pw~1", "redis://h:1/0?a=b&{}=pw~1&c=d", "http%3A%2F%2Fh%2F%3F{}%3Dpw~1%26c%3Dd"]
)
def test_no_parameter_of_a_url_shows_a_secret(url: str, name: str) -> None:
    masked = mask_credentials(f"cannot open {url.format(name)}: refused")
    assert "pw~" not in masked
    assert f"{name}=***" in masked or f"{name}%3D***" in masked
    assert masked.endswith("refused")
    assert (url[-1] == "d") == ("c=d" in masked or "c%3Dd" in masked)


@pytest.mark.parametrize(
    "text",
    [
        "no control API at http://127.0.0.1:8000: start one",
        "http://control/runs?limit=5&before=run-0123456789ab answered 502",
        "mail me@example.com about 93 % of http://h/",
        "client-000003 is late",
        "",
    ],
)
def test_what_has_no_credentials_stays_as_it_is(text: str) -> None:
    assert mask_credentials(text) == text


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("user:pw~1@localhost:8000", "***@localhost:8000"),
        ("http://user:pw~ 1@localhost:8000", "http://***@localhost:8000"),
        ("redis://:pw~/1@host:6379/0", "redis://***@host:6379/0"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("http://h?password=pw~1", "http://h?password=***"),
    ],
)
def test_a_wrong_url_shows_no_password_either(url: str, masked: str) -> None:
    assert mask_url(url) == masked


def test_a_masked_line_of_json_is_json_still() -> None:
    line = '{"url": "http://h/?token=pw~\\"1", "broker": "redis://:pw~\\"2@h/0", "round": 3}'
    assert mask_credentials(line) == '{"url": "http://h/?token=***", "broker": "redis://***@h/0", "round": 3}'
