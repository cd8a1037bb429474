"""The settings of who may use the API: keys that are known by a setting, the OIDC issuer, hosts, and how many requests."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator
from pydantic_settings import NoDecode

from fedface_core.domain.loopback import hides_what_is_sent
from fedface_core.runtime.setting_types import AuthoritiesFile, Secret, Token, none_if_empty

SHORTEST_KEY: Final = 24
"""Characters of a key that a setting gives. `make env` draws 48 digits of hexadecimal: 192 bits."""
_MOST_HOSTS: Final = 64
_HOST: Final = re.compile(
    r"(\*\.)?[A-Za-z0-9]([A-Za-z0-9-]{0,62}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,62}[A-Za-z0-9])?)*"
)
_ROLES_CLAIM: Final = r"^[!-~]{1,200}$"


def _check_key(secret: Any) -> Any:
    if len(secret.get_secret_value()) < SHORTEST_KEY:
        raise ValueError(f"has fewer than {SHORTEST_KEY} characters: draw one with `openssl rand -hex 24`")
    return secret


def _check_issuer(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError("is no URL of an issuer: give one such as https://id.example.org/realms/faces")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("has credentials, a query or a fragment: an issuer's URL has none")
    if not hides_what_is_sent(parts.scheme, parts.hostname):
        raise ValueError(
            "begins with http://, so anybody between could put in keys of their own: give the issuer's https://"
        )
    return url


def _split_hosts(value: Any) -> Any:
    return value.split(",") if isinstance(value, str) and value else () if value == "" else value


def _check_hosts(hosts: tuple[str, ...]) -> tuple[str, ...]:
    wrong = [host for host in hosts if not _HOST.fullmatch(host)]
    if wrong:
        raise ValueError(
            f"has {wrong[0]!r:.80}: give names with ',' between them, such as faces.example.org,*.lab.example.org"
        )
    return hosts


Key = Annotated[Secret, AfterValidator(_check_key)]
IssuerUrl = Annotated[Token, AfterValidator(_check_issuer)]
HostNames = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(_split_hosts), Field(max_length=_MOST_HOSTS), AfterValidator(_check_hosts)
]


class SignInSettings(BaseModel):
    """The part of control's settings that says who may use the API."""

    api_open: bool = Field(
        default=False,
        description="Whether nobody has to sign in. Only for an API that listens on a loopback address.",
    )
    api_first_key: Key | None = Field(
        default=None, description="An API key of role admin, with which the first keys are made. It is stored nowhere else."
    )
    api_metrics_key: Key | None = Field(
        default=None, description="An API key of role metrics, with which Prometheus reads /metrics."
    )
    api_hosts: HostNames = Field(
        default=(),
        description="Names by which the API is reached, with ',' between them; '*.' stands for any names before a domain. "
        "Its IP addresses and localhost need not be given.",
    )
    api_requests_per_minute: int = Field(
        default=1200, ge=1, le=1_000_000, description="The most requests of one actor in a minute."
    )
    api_failed_sign_ins_per_minute: int = Field(
        default=30,
        ge=1,
        le=1_000_000,
        description="The most sign-ins from one address that may fail in a minute.",
    )
    oidc_issuer: Annotated[IssuerUrl | None, BeforeValidator(none_if_empty)] = Field(
        default=None, description="The OIDC issuer whose access tokens are believed, exactly as it calls itself."
    )
    oidc_audience: Annotated[Token | None, BeforeValidator(none_if_empty)] = Field(
        default=None, description="The audience that an access token must name: this API."
    )
    oidc_ask_for_audience: bool = Field(
        default=False,
        description="Whether the command line and the console ask the issuer for the audience by name, as Auth0 wants it.",
    )
    oidc_roles_claim: str = Field(
        default="roles",
        pattern=_ROLES_CLAIM,
        description="The claim of an access token with the roles, or a path to it with dots: realm_access.roles.",
    )
    oidc_client_id: Annotated[Token | None, BeforeValidator(none_if_empty)] = Field(
        default=None,
        description="The issuer's client for `fedface login`: public, with the device authorization grant.",
    )
    oidc_ca_file: AuthoritiesFile | None = Field(
        default=None,
        description="The authorities that are trusted to sign the issuer's; by default the machine's.",
    )

    @model_validator(mode="after")
    def _issuer_and_audience_belong_together(self) -> Self:
        if (self.oidc_issuer is None) != (self.oidc_audience is None):
            raise ValueError("FEDFACE_OIDC_ISSUER and FEDFACE_OIDC_AUDIENCE belong together: set both, or none")
        unused = [name for name in ("oidc_client_id", "oidc_ca_file", "oidc_ask_for_audience") if getattr(self, name)]
        if unused and self.oidc_issuer is None:
            raise ValueError(f"FEDFACE_{unused[0].upper()} is for an issuer: set FEDFACE_OIDC_ISSUER too, or leave it out")
        return self

    @model_validator(mode="after")
    def _keys_differ(self) -> Self:
        if self.api_first_key is not None and self.api_first_key == self.api_metrics_key:
            raise ValueError("FEDFACE_API_FIRST_KEY and FEDFACE_API_METRICS_KEY are equal: Prometheus would be an admin")
        return self
