"""API keys: what is stored of one, what is not, and how one is recognised."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from fedface_core.domain.api_key import ApiKey, key_id, new_api_key, split_key
from fedface_core.domain.role import Role

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def made(name: str = "ci", days: int = 90) -> tuple[ApiKey, str]:
    return new_api_key(name, (Role.VIEWER, Role.OPERATOR, Role.VIEWER), now=NOW, days=days)


def test_a_key_is_recognised_by_its_secret_and_by_no_other() -> None:
    record, token = made()
    parts = split_key(token)
    assert parts is not None
    assert parts[0] == record.id == key_id("ci")
    assert record.is_of(parts[1])
    other = split_key(made()[1])
    assert other is not None
    assert not record.is_of(other[1])


def test_the_record_does_not_hold_the_secret_and_its_repr_not_even_the_digest() -> None:
    record, token = made()
    secret = token.split("_", 2)[2]
    assert secret not in record.model_dump_json()
    assert record.secret_sha256 not in repr(record)


def test_two_keys_have_two_secrets_of_256_bits() -> None:
    secrets = {made()[1].split("_", 2)[2] for _ in range(100)}
    assert len(secrets) == 100
    assert {len(secret) for secret in secrets} == {43}  # 43 characters of 6 bits


def test_roles_are_kept_once() -> None:
    assert made()[0].roles == (Role.OPERATOR, Role.VIEWER)


def test_a_key_ends() -> None:
    record, _ = made(days=2)
    assert not record.has_expired(NOW + timedelta(days=2, seconds=-1))
    assert record.has_expired(NOW + timedelta(days=2))


@pytest.mark.parametrize("name", ["", " ci", "a" * 65, "a\nb", "a:b", "a\u202eb", "José"])
def test_a_name_is_plain(name: str) -> None:
    with pytest.raises(ValidationError):
        made(name)


@pytest.mark.parametrize(
    "token", ["", "ff_", f"ff_{'0' * 16}_", f"ff_{'0' * 15}_{'a' * 43}", f"ff_{'0' * 16}_{'a' * 43}\n", "a.b.c"]
)
def test_what_is_no_key_is_none(token: str) -> None:
    assert split_key(token) is None
