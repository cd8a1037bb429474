"""Access tokens of the OIDC issuer: JWTs (RFC 7519, RFC 9068), checked by PyJWT with the issuer's public keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import jwt
from jwt.exceptions import (
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAudienceError,
    InvalidIssuerError,
    InvalidSignatureError,
    MissingRequiredClaimError,
    PyJWTError,
)

from fedface_control.auth.errors import BadCredentialsError
from fedface_control.auth.issuer import Issuer
from fedface_control.auth.principal import Principal
from fedface_core.domain.role import Role

ALGORITHMS: Final = ("RS256", "PS256", "ES256", "EdDSA")
"""Each with a public key that is no secret. None of them is ``none``, and none has a secret that is shared (HS256)."""
LEEWAY_SECONDS: Final = 30
"""How much the issuer's clock and ours may differ."""
_TYPES: Final = ("jwt", "at+jwt", "application/at+jwt")
_LONGEST_KEY_ID: Final = 200
_LONGEST_SUBJECT: Final = 255  # OpenID Connect Core 1.0, section 2
_REQUIRED: Final = ("exp", "iss", "aud", "sub")
_CHECKER: Final = jwt.PyJWT(options={"enforce_minimum_key_length": True})  # an RSA key of 1024 bits can be broken


class AccessTokens:
    """The access tokens of ``issuer`` for ``audience``.

    The roles are those in the claim ``roles_claim``, a name or a path with dots such as ``realm_access.roles``, and those
    among the token's scopes. What is no role of ours is passed over.
    """

    def __init__(self, issuer: Issuer, audience: str, roles_claim: str) -> None:
        self.issuer = issuer
        self._audience = audience
        self._roles_claim = roles_claim

    def principal(self, token: str) -> Principal:
        """Who has signed in with the token. `BadCredentialsError` says what is wrong with it, and never quotes it.

        `IssuerUnavailableError` if the issuer's keys cannot be had.
        """
        try:
            claims = self._claims(token)
        except ExpiredSignatureError:
            raise BadCredentialsError("the access token has expired: sign in again") from None
        except ImmatureSignatureError:
            raise BadCredentialsError("the access token is not valid yet: compare the clocks of issuer and API") from None
        except InvalidIssuerError:
            raise BadCredentialsError("the access token is of another issuer") from None
        except InvalidAudienceError:
            raise BadCredentialsError("the access token is for another audience than this API") from None
        except MissingRequiredClaimError as error:
            raise BadCredentialsError(f"the access token has no claim {error.claim}") from None
        except InvalidSignatureError:
            raise BadCredentialsError("the signature of the access token is wrong") from None
        except (PyJWTError, RecursionError, ArithmeticError):  # JSON in it may be nested without end, or hold infinity
            raise BadCredentialsError("the access token is no JWT that can be checked") from None
        subject = claims["sub"]
        if not 0 < len(subject) <= _LONGEST_SUBJECT or not subject.isascii() or not subject.isprintable():
            raise BadCredentialsError(f"the subject of the access token is not 1 to {_LONGEST_SUBJECT} characters of ASCII")
        return Principal(f"oidc:{subject}", self._roles(claims))

    def _claims(self, token: str) -> Mapping[str, Any]:
        header = jwt.get_unverified_header(token)
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS:
            raise BadCredentialsError(f"the access token is not signed by one of {', '.join(ALGORITHMS)}")
        if str(header.get("typ", "jwt")).lower() not in _TYPES:
            raise BadCredentialsError("the token is no access token: its type is another one")
        key_id = header.get("kid")
        if key_id is not None and len(key_id) > _LONGEST_KEY_ID:  # PyJWT has seen that it is text
            raise BadCredentialsError("the key id of the access token is too long")
        key = self.issuer.key(key_id, algorithm)
        if key is None:
            raise BadCredentialsError("the access token is signed with a key that the issuer does not publish")
        return _CHECKER.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=self._audience,
            issuer=self.issuer.url,
            leeway=LEEWAY_SECONDS,
            options={"require": list(_REQUIRED)},
        )

    def _roles(self, claims: Mapping[str, Any]) -> frozenset[Role]:
        named = {*_words(_claim(claims, self._roles_claim)), *_words(claims.get("scope")), *_words(claims.get("scp"))}
        return frozenset(role for role in Role if role in named)


def _claim(claims: Mapping[str, Any], path: str) -> Any:
    """The claim of this name, or else the one that the dots in it lead to."""
    if path in claims:  # the name of a claim may be a URL
        return claims[path]
    found: Any = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _words(value: Any) -> list[str]:
    """The words of a text, or of a list of texts; nothing of anything else."""
    if isinstance(value, str):
        return value.split(" ")
    return [word for word in value if isinstance(word, str)] if isinstance(value, list) else []
