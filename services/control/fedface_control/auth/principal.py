"""Who has sent a request: the actor, and what that actor may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fedface_core.domain.role import Role, with_included


@dataclass(frozen=True)
class Principal:
    """Who has signed in. ``actor`` is ``key:NAME`` or ``oidc:SUBJECT``, and None if the API asks nobody to sign in."""

    actor: str | None
    roles: frozenset[Role]

    def has(self, role: Role) -> bool:
        """Whether the principal has the role itself, or one that includes it."""
        return role in with_included(self.roles)


EVERYBODY: Final = Principal(None, frozenset({Role.ADMIN}))
"""Who uses an API that asks nobody to sign in."""
