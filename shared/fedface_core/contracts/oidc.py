"""What an OIDC issuer and its clients send each other, as far as more than one client of ours needs it.

OpenID Connect Discovery 1.0, and the answers of RFC 6749. An answer is of another organisation: each text is bounded, and a
token is never quoted.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, Field, SecretStr, ValidationError

from fedface_core.domain.free_text import one_line

DISCOVERY_PATH: Final = "/.well-known/openid-configuration"
"""Behind an issuer's URL without a slash at its end."""
LONGEST_TOKEN: Final = 8192
"""Characters of an access token, of an API key and of what else is sent as one. The API reads no longer ones."""
_MOST_SHOWN: Final = 300
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")


def _check_token(token: SecretStr) -> SecretStr:
    text = token.get_secret_value()
    if len(text) > LONGEST_TOKEN or not _TOKEN.fullmatch(text):
        raise ValueError("no token")
    return token


Token = Annotated[SecretStr, AfterValidator(_check_token)]
"""One word of ASCII, of at most `LONGEST_TOKEN` characters. A library that refuses another in a header would quote it."""
IssuersUrl = Annotated[str, Field(max_length=2000)]


class Discovery(BaseModel):
    """What the discovery document of an issuer says to every client of it."""

    issuer: IssuersUrl
    token_endpoint: IssuersUrl


class Tokens(BaseModel):
    """What the token endpoint gives."""

    access_token: Token
    refresh_token: Token | None = None
    expires_in: Annotated[float, Field(gt=0)] | None = None
    """Seconds for which the access token is good, from now on."""

    def or_refreshed_by(self, refresh_token: SecretStr) -> Self:
        """The tokens; with the ``refresh_token`` that has brought them, if the issuer has not replaced it."""
        return self if self.refresh_token is not None else self.model_copy(update={"refresh_token": refresh_token})


class OAuthError(BaseModel):
    """Why an endpoint refuses (RFC 6749, section 5.2)."""

    error: str
    error_description: str = ""


def refusal_in(body: bytes, status: int) -> OAuthError:
    """The refusal in the body of an answer, or one that names the ``status``."""
    try:
        return OAuthError.model_validate_json(body)
    except ValidationError:
        return OAuthError(error=f"it answered {status}")


def told(refusal: OAuthError, *secrets: str) -> str:
    """A refusal in the issuer's own words, on one line; what repeats a secret is not quoted with it."""
    text = f"{refusal.error}: {refusal.error_description}" if refusal.error_description else refusal.error
    for secret in secrets:
        text = text.replace(secret, "***")
    return shown(text)


def shown(text: str) -> str:
    """A text of an issuer as a message shows it: on one line, and not without end."""
    return one_line(text)[:_MOST_SHOWN]


def wrong_fields(error: ValidationError) -> str:
    """The fields of an answer that are not as they should be. The error's own message would quote tokens."""
    wrong = ", ".join(str(part) for one in error.errors(include_input=False) for part in one["loc"][:1])
    return wrong or "all of it"
