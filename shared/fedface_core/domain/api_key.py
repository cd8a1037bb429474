"""An API key, as it is stored: never the secret itself. The key that its holder sends is ``ff_ID_SECRET``.

The secret is drawn from 256 bits, so nobody finds it by trying, and a plain SHA-256 of it says nothing about it. What slows
down the guessing of passwords (bcrypt, Argon2) would only slow down each request.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from fedface_core.domain.ids import Sha256
from fedface_core.domain.role import Role

LONGEST_NAME: Final = 64
MOST_DAYS: Final = 3650
_SECRET_BYTES: Final = 32
_TOKEN: Final = re.compile(r"ff_(?P<id>[0-9a-f]{16})_(?P<secret>[A-Za-z0-9_-]{43})")

KeyId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
KeyName = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME, pattern=r"^[A-Za-z0-9][A-Za-z0-9._@ -]*$")]


class ApiKey(BaseModel):
    """The record of a key. Its ``id`` follows from its name, so that of two keys with one name there is only one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    id: KeyId
    name: KeyName = Field(description="Whose key it is: `key:NAME` is the actor in audit trails and logs.")
    roles: tuple[Role, ...] = Field(min_length=1, max_length=len(Role))
    secret_sha256: Sha256 = Field(repr=False)
    made_at: AwareDatetime
    made_by: str | None = Field(default=None, description="The actor who made it.")
    expires_at: AwareDatetime

    @property
    def actor(self) -> str:
        """Who acts with this key, as audit trails and logs name it."""
        return f"key:{self.name}"

    def is_of(self, secret: str) -> bool:
        """Whether this is the secret of the key. The time that it takes tells nothing about the stored digest."""
        return hmac.compare_digest(self.secret_sha256, _digest(secret))

    def has_expired(self, now: datetime) -> bool:
        """Whether the key is not to be believed any more."""
        return now >= self.expires_at


def new_api_key(
    name: str, roles: tuple[Role, ...], *, now: datetime, days: int, made_by: str | None = None
) -> tuple[ApiKey, str]:
    """A new key for ``days`` days: its record, and the key itself, which is kept nowhere.

    `pydantic.ValidationError` if the name has other characters than letters and digits of ASCII and ``._@ -``.
    """
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    record = ApiKey(
        id=key_id(name),
        name=name,
        roles=tuple(sorted(set(roles))),
        secret_sha256=_digest(secret),
        made_at=now,
        made_by=made_by,
        expires_at=now + timedelta(days=days),
    )
    return record, f"ff_{record.id}_{secret}"


def key_id(name: str) -> str:
    """The id of the key with this name."""
    return hashlib.sha256(f"api key {name}".encode()).hexdigest()[:16]


def split_key(token: str) -> tuple[str, str] | None:
    """The id and the secret in a key; None if ``token`` is none."""
    found = _TOKEN.fullmatch(token)
    return None if found is None else (found["id"], found["secret"])


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
