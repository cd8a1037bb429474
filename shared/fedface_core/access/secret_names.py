"""Where the secrets of identities come from: one environment variable each, or a file that it names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fedface_core.access.permissions import Identity
from fedface_core.access.table import TABLE
from fedface_core.domain.errors import InvalidInputError
from fedface_core.files.secret_file import secret_in

REDIS: Final = "REDIS_PASSWORD"
S3: Final = "S3_SECRET"
_SHORTEST: Final = 8  # what MinIO asks of a secret key


def with_redis_user() -> list[Identity]:
    """The identities that have a user in Redis."""
    return [identity for identity, permissions in TABLE.items() if permissions.redis]


def with_s3_key() -> list[Identity]:
    """The identities that have a key in S3."""
    return [identity for identity, permissions in TABLE.items() if permissions.store is not None]


def secret_name(kind: str, identity: Identity) -> str:
    """The environment variable of a secret: ``REDIS_PASSWORD_CLIENT``. With ``_FILE`` behind it, it names a file."""
    return f"{kind}_{identity.name}"


def redis_secrets(environment: Mapping[str, str]) -> dict[Identity, str]:
    """Identity → its password in Redis. `InvalidInputError` names what is missing or cannot be used."""
    return _secrets(environment, REDIS, with_redis_user())


def s3_secrets(environment: Mapping[str, str]) -> dict[Identity, str]:
    """Identity → its secret key in S3. `InvalidInputError` names what is missing or cannot be used."""
    return _secrets(environment, S3, with_s3_key())


def _secrets(environment: Mapping[str, str], kind: str, identities: list[Identity]) -> dict[Identity, str]:
    found = {identity: secret(environment, secret_name(kind, identity)) or "" for identity in identities}
    wrong = [secret_name(kind, identity) for identity, given in found.items() if not _is_usable(given)]
    if wrong:
        raise InvalidInputError(
            f"{', '.join(wrong)}: give each a secret of its own, of {_SHORTEST} or more letters, digits, - and _"
        )
    if len(set(found.values())) < len(found):
        raise InvalidInputError(f"two of {', '.join(secret_name(kind, one) for one in found)} are the same secret")
    return found


def secret(environment: Mapping[str, str], name: str) -> str | None:
    """The secret in the variable ``name``, or in the file that ``name_FILE`` names; None if neither is set.

    `InvalidInputError` if both are, or as `secret_in` raises it.
    """
    path = environment.get(f"{name}_FILE")
    if path is None:
        return environment.get(name)
    if environment.get(name):
        raise InvalidInputError(f"{name} and {name}_FILE are both set: set one of them")
    return secret_in(path, f"{name}_FILE")


def _is_usable(given: str) -> bool:
    return len(given) >= _SHORTEST and given.isascii() and given.replace("-", "").replace("_", "").isalnum()
