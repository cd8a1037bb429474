"""The users file of Redis or Valkey (``aclfile``), made from the table. It has the SHA-256 of passwords, and no password.

Nobody can be the default user, which needs no name. Each grant is a selector of its own, in parentheses: a command must be
allowed by one grant with all its keys, so that the commands of one grant cannot be used on the keys of another. Nobody may
use a channel, so there is no remote control of workers. Needs Redis 7 or Valkey.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from fedface_core.access.permissions import Identity, RedisGrant
from fedface_core.access.table import TABLE

PROBE: Final = "probe"
"""A user without a password that may only PING: for health checks."""

# Nobody can be the default user: it is off, and has no password. But Redis 7.0 reads its own append-only file as this user
# when it starts, and would drop each transaction that the user may not make.
_DEFAULT_USER: Final = "user default off resetpass ~* &* +@all"


def users_file(secrets: Mapping[Identity, str], operator_secret: str | None = None) -> str:
    """The text of the users file, for the passwords of `secret_names.redis_secrets`.

    ``operator_secret`` adds a user ``operator``, who may do everything: for people, never for a service.
    """
    lines = [_DEFAULT_USER, f"user {PROBE} on nopass resetchannels -@all +ping"]
    lines += [_user(identity, secrets[identity]) for identity, permissions in TABLE.items() if permissions.redis]
    if operator_secret is not None:
        lines.append(f"user operator on {_hashed(operator_secret)} ~* &* +@all")
    return "".join(f"{line}\n" for line in lines)


def _user(identity: Identity, secret: str) -> str:
    grants = " ".join(_selector(grant) for grant in TABLE[identity].redis)
    return f"user {identity} on {_hashed(secret)} resetchannels -@all {grants}"


def _selector(grant: RedisGrant) -> str:
    commands = [f"+{command}" for command in sorted(set(grant.commands))]
    commands += [f"-{category}" for category in sorted(set(grant.without))]
    both = sorted(set(grant.reads) & set(grant.writes))
    only_read = sorted(set(grant.reads) - set(both))
    only_written = sorted(set(grant.writes) - set(both))
    keys = [f"~{key}" for key in both] + [f"%R~{key}" for key in only_read] + [f"%W~{key}" for key in only_written]
    return f"({' '.join(['-@all', *commands, *keys])})"


def _hashed(secret: str) -> str:
    return f"#{sha256(secret.encode()).hexdigest()}"
