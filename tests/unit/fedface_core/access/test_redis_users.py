"""The users file: who is off, who has which selector, and no password in it."""

from __future__ import annotations

import re
from hashlib import sha256

import pytest

from fedface_core.access.permissions import Identity
from fedface_core.access.redis_users import PROBE, users_file
from fedface_core.access.secret_names import with_redis_user
from fedface_core.access.table import TABLE
from fedface_core.contracts.tasks import CLIENT

SECRETS = {identity: f"password-of-{identity}" for identity in with_redis_user()}


def users(operator: str | None = None) -> dict[str, str]:
    """Name → what the file says of the user."""
    lines = [line.split(" ", 2) for line in users_file(SECRETS, operator).splitlines()]
    assert all(word == "user" for word, _, _ in lines)
    return {name: rules for _, name, rules in lines}


def selectors(identity: Identity) -> list[list[str]]:
    return [inner.split() for inner in re.findall(r"\(([^()]*)\)", users()[identity])]


def test_who_has_a_grant_has_a_user_and_nobody_else() -> None:
    assert {*users()} == {"default", PROBE, *(str(identity) for identity in with_redis_user())}
    assert not {"metrics", "gateway", "operator"} & {*users()}


def test_who_gives_no_name_is_nobody() -> None:
    assert users()["default"].split()[:2] == ["off", "resetpass"]


def test_the_probe_may_ping() -> None:
    assert users()[PROBE].split() == ["on", "nopass", "resetchannels", "-@all", "+ping"]


@pytest.mark.parametrize("identity", with_redis_user())
def test_outside_its_grants_a_user_may_do_nothing(identity: Identity) -> None:
    outside = re.sub(r"\([^()]*\)", "", users()[identity]).split()
    assert outside == ["on", f"#{sha256(SECRETS[identity].encode()).hexdigest()}", "resetchannels", "-@all"]


@pytest.mark.parametrize("identity", with_redis_user())
def test_each_grant_is_a_selector_that_begins_with_nothing(identity: Identity) -> None:
    found = selectors(identity)
    assert len(found) == len(TABLE[identity].redis)
    for selector, grant in zip(found, TABLE[identity].redis, strict=True):
        assert selector[0] == "-@all"
        assert {rule[1:] for rule in selector[1:] if rule.startswith("+")} == {*grant.commands}
        assert {rule[1:] for rule in selector[1:] if rule.startswith("-")} == {*grant.without}
        assert {rule.rpartition("~")[2] for rule in selector if "~" in rule} == {*grant.reads, *grant.writes}
        assert not any("&" in rule or rule in ("allkeys", "allcommands", "~*") for rule in selector)


def test_a_key_is_read_or_written_or_both_as_the_grant_has_it() -> None:
    rules = {rule for selector in selectors(Identity.CLIENT) for rule in selector}
    assert {f"~{CLIENT}", "%W~aggregator", "%R~fedface:{*}:run"} <= rules


def test_no_password_is_in_the_file() -> None:
    text = users_file(SECRETS, "operators-own")
    assert not [secret for secret in (*SECRETS.values(), "operators-own") if secret in text]


def test_an_operator_may_do_everything_and_is_there_only_if_asked_for() -> None:
    assert users("operators-own")["operator"] == f"on #{sha256(b'operators-own').hexdigest()} ~* &* +@all"
