"""A URL that no request could be sent to is refused with words, before anything is sent."""

from __future__ import annotations

import pytest

from fedface_cli.api_url import checked_api_url
from fedface_core.domain.errors import InvalidInputError


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000", "https://fedface.example/api/", "http://[::1]:8000", "http://user:own@host:1/"]
)
def test_a_good_url_loses_its_last_slash_only(url: str) -> None:
    assert str(checked_api_url(url)) == url.rstrip("/")


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("localhost:8000", "'localhost:8000'; it must start with http:// or https://"),
        ("ftp://user:own@host", "'ftp://***@host'; it must start with http://"),
        ("http://", "'http://'; give a host"),
        ("http://:8000", "'http://:8000'; give a host"),
        ("http://host:99999", "'http://host:99999'; give a host, a port from 1 to 65535"),
        ("http://host:0", "'http://host:0'; give a host, a port from 1 to 65535"),
        ("http://host ", "'http://host '; give a host"),
        ("http://ho st", "no white space"),
        ("http://host:port", "which is no URL: Invalid port"),
        ("http://[::1", "which is no URL"),
        ("http://host?x=1", "no query"),
        ("http://host#x", "no query"),
        ("http://ho\tst", "which is no URL"),
    ],
)
def test_a_wrong_url_says_what_is_wrong(url: str, complaint: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        checked_api_url(url)
    assert complaint in str(caught.value)
    assert "own" not in str(caught.value)
