"""Which hosts are this machine, for who listens and for who connects."""

from __future__ import annotations

import pytest

from fedface_core.domain.loopback import hides_what_is_sent, is_loopback, leads_to_loopback


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "faces.localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_a_loopback_host_is_this_machine_for_both(host: str) -> None:
    assert is_loopback(host)
    assert leads_to_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_the_address_of_all_interfaces_is_heard_by_others_and_leads_here(host: str) -> None:
    assert not is_loopback(host)
    assert leads_to_loopback(host)


@pytest.mark.parametrize("host", ["", "192.168.1.7", "localhost.example.org", "notlocalhost", "[::1"])
def test_other_hosts_are_not(host: str) -> None:
    assert not is_loopback(host)
    assert not leads_to_loopback(host)


@pytest.mark.parametrize(
    ("scheme", "host", "hidden"),
    [
        ("https", "id.example.org", True),
        ("http", "localhost", True),
        ("http", "id.example.org", False),
        ("ftp", "127.0.0.1", False),
        ("https", "", False),
    ],
)
def test_tokens_travel_by_https_or_on_this_machine(scheme: str, host: str, hidden: bool) -> None:
    assert hides_what_is_sent(scheme, host) is hidden
