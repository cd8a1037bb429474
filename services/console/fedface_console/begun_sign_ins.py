"""Sign-ins that a browser has begun and not finished: the ``state`` that goes to the issuer and comes back.

It is encrypted, so that nothing has to be kept until then, and names the session that has begun it: the issuer's answer in
another browser, or after a sign-in that has ended the session, is worth nothing.
"""

from __future__ import annotations

import hmac
import json
import secrets
from dataclasses import asdict, dataclass, field
from typing import Final

from cryptography.fernet import InvalidToken

from fedface_console.errors import NotSignedInError
from fedface_console.sessions import Session, cipher_of

LONGEST_SECONDS: Final = 900
"""How long a person may take at the issuer."""


@dataclass(frozen=True)
class BegunSignIn:
    """What the console has to know when the browser comes back."""

    issuer: str
    back: str
    """The page that the reader came from: an address of the console."""
    form_secret: str
    """Of the session that has begun it."""
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    """The issuer writes it into the ID token."""
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    """The secret of PKCE, without which the code is worth nothing."""


class BegunSignIns:
    """Writes and reads the states. ``secret`` is the console's."""

    def __init__(self, secret: str) -> None:
        self._cipher = cipher_of(secret, purpose=" begun sign-in")

    def state(self, begun: BegunSignIn) -> str:
        """The ``state`` of a sign-in that begins now."""
        return self._cipher.encrypt(json.dumps(asdict(begun), allow_nan=False).encode()).decode()

    def begun(self, state: str, session: Session) -> BegunSignIn:
        """The sign-in that this session has begun with a state. `NotSignedInError` if it has not, or too long ago."""
        try:
            begun = BegunSignIn(**json.loads(self._cipher.decrypt(state, ttl=LONGEST_SECONDS)))
        except (InvalidToken, ValueError, TypeError):
            begun = None
        if begun is None or not hmac.compare_digest(begun.form_secret.encode(), session.form_secret.encode()):
            minutes = LONGEST_SECONDS // 60
            raise NotSignedInError(f"This browser has begun no such sign-in within the last {minutes} minutes. Begin again.")
        return begun
