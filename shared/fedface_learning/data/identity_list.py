"""The identity list of a data set: who is in it, without a name. Data sets with equal identities have equal lists.

A list has a line for each identity: the first 64 bits of a SHA-256 of the name, in hexadecimal digits. The lines are sorted,
so the order of the identities does not matter. A list says whether a name that somebody guesses is on it, and tells no name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Self

_SALT: Final = "fedface identity list/"
"""Keeps the lines apart from other digests of names. It is no secret."""
_DIGITS: Final = 16
"""Among a million identities, two have equal lines with a probability of 3e-8."""
MOST_BYTES: Final = (_DIGITS + 1) * 10_000_000
"""Of a list that is read from a store: ten million identities. A client worker wrote it, and could write a huge one."""


def identity_list(identities: Iterable[str]) -> bytes:
    """The identity list of a data set with these identities, in any order: lines of ASCII."""
    lines = sorted(sha256(f"{_SALT}{identity}".encode()).hexdigest()[:_DIGITS] for identity in identities)
    return "".join(f"{line}\n" for line in lines).encode()


@dataclass(frozen=True)
class IdentityChanges:
    """How many identities a data set has gained and lost. A renamed identity is one of each."""

    added: int
    removed: int

    @classmethod
    def between(cls, before: bytes, after: bytes) -> Self:
        """The changes from one identity list to another."""
        lines_before = set(before.splitlines())
        lines_after = set(after.splitlines())
        return cls(added=len(lines_after - lines_before), removed=len(lines_before - lines_after))

    def __str__(self) -> str:
        """The counts with their signs, as in ``+1 −0``."""
        return f"+{self.added} −{self.removed}"
