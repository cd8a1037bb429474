"""The headers of browsers, and those that are as no browser sends them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedface_core.domain.page_origin import host_name, is_address, is_of_another_site


@pytest.mark.parametrize(
    ("host", "name"),
    [
        *(("localhost:8080", "localhost"), ("LocalHost", "localhost"), ("[::1]:8080", "::1"), ("10.0.0.1", "10.0.0.1")),
        *(("", ""), ("[", ""), ("[::1", ""), ("[evil]", "")),
    ],
)
def test_a_host_header_names_a_host_or_none(host: str, name: str) -> None:
    assert host_name(host) == name


@pytest.mark.parametrize(
    ("name", "found"), [("127.0.0.1", True), ("::1", True), ("localhost", False), ("0x7f000001", False)]
)
def test_an_address_is_no_name(name: str, found: bool) -> None:
    assert is_address(name) is found


@pytest.mark.parametrize(
    ("site", "origin", "foreign"),
    [
        (None, None, False),
        ("same-origin", None, False),
        ("none", None, False),
        ("same-site", None, True),
        ("cross-site", "http://faces.example:8080", True),
        (None, "http://faces.example:8080", False),
        (None, "http://Faces.Example:8080", False),
        (None, "http://faces.example", True),
        (None, "null", True),
        (None, "http://[", True),
        ("same-origin", "https://name-at-the-proxy.example", False),
    ],
)
def test_a_page_of_another_site_is_known_by_its_headers(site: str | None, origin: str | None, foreign: bool) -> None:
    assert is_of_another_site(site, origin, "faces.example:8080") is foreign


@given(st.none() | st.text(), st.none() | st.text(), st.text())
def test_any_headers_are_judged(site: str | None, origin: str | None, host: str) -> None:
    host_name(host)
    assert is_of_another_site(site, origin, host) in (True, False)
