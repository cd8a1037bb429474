"""The settings of the console, from environment variables with the prefix ``FEDFACE_``."""

from __future__ import annotations

import secrets
from typing import Annotated, Final, Self

import httpx
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from fedface_core.domain.loopback import hides_what_is_sent
from fedface_core.runtime.environment_settings import EnvironmentSettings
from fedface_core.runtime.setting_types import AuthoritiesFile, File, Host, Port, Secret, Token, none_if_empty
from fedface_core.runtime.tls_files import check_pair_of

SHORTEST_SECRET: Final = 24
_MOST_HOSTS: Final = 64


def _is_web_address(url: str) -> str:
    """The URL without a slash at its end. `ValueError` unless it is one of an HTTP server, without credentials."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        raise ValueError("is no URL: give one such as http://127.0.0.1:8000") from None
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.query or parsed.fragment or parsed.userinfo:
        raise ValueError("is no plain URL of a web server: give scheme, host and port, such as http://127.0.0.1:8000")
    return url.rstrip("/")


def _is_own_address(url: str) -> str:
    """The URL. `ValueError` unless the console works there, and an issuer may lead back to it."""
    parsed = httpx.URL(url)
    if parsed.path != "/":
        raise ValueError("has a path, below which the console does not work: give scheme, host and port")
    if not hides_what_is_sent(parsed.scheme, parsed.host):
        raise ValueError("begins with http://, by which codes and cookies would travel in clear: give an https:// address")
    return url


WebAddress = Annotated[str, AfterValidator(_is_web_address)]
OwnAddress = Annotated[WebAddress, AfterValidator(_is_own_address)]


class ConsoleSettings(EnvironmentSettings):
    """The settings of the console."""

    api_url: WebAddress = Field(default="http://127.0.0.1:8000", description="Where the control API is.")
    api_ca_file: AuthoritiesFile | None = Field(
        default=None, description="The authorities that are trusted to sign the API's certificate; by default the machine's."
    )
    console_host: Host = "127.0.0.1"
    console_port: Port = 8080
    console_hosts: str = Field(
        default="",
        max_length=4096,
        description="Names by which browsers reach the console, besides its IP addresses and `localhost`, with ',' between "
        "them.",
    )
    console_url: Annotated[OwnAddress | None, BeforeValidator(none_if_empty)] = Field(
        default=None,
        description="By which address browsers reach the console, and where the OIDC issuer leads them back to.",
    )
    console_oidc_client_id: Annotated[Token | None, BeforeValidator(none_if_empty)] = Field(
        default=None,
        description="The console's client at the API's OIDC issuer, with which people sign in by their browser.",
    )
    console_oidc_client_secret: Secret | None = Field(
        default=None, description="The secret of that client. A public client has none."
    )
    console_oidc_scopes: str = Field(
        default="openid",
        pattern=r"^([!#-\[\]-~]+ )*openid( [!#-\[\]-~]+)*$",
        max_length=500,
        description="What the console asks the issuer for, with blanks between them; `openid` among it.",
    )
    oidc_ca_file: AuthoritiesFile | None = Field(
        default=None,
        description="The authorities that are trusted to sign the issuer's certificate; by default the machine's.",
    )
    console_secret: Secret | None = Field(
        default=None, description="What the session cookies are encrypted with. By default sessions end with the process."
    )
    console_secure_cookies: bool = Field(
        default=False, description="Whether a proxy before the console speaks TLS, so that cookies never travel without it."
    )
    console_tls_certificate_file: File | None = Field(
        default=None,
        description="The certificate, with those between it and its authority, that makes the console speak TLS.",
    )
    console_tls_key_file: File | None = Field(default=None, description="The private key of that certificate.")
    console_connections: int = Field(default=512, ge=4, le=5_000, description="Connections that it serves at once.")
    console_streams: int = Field(
        default=100, ge=1, le=2_500, description="Live pages that it serves by a stream at once; others ask again and again."
    )
    grafana_url: WebAddress | None = Field(default=None, description="Where browsers reach Grafana, for links to it.")
    prometheus_url: WebAddress | None = Field(
        default=None, description="Where the console reaches Prometheus, for the processes and alerts of the page Fleet."
    )

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names of `console_hosts`, and that of `console_url`, in small letters."""
        own = [] if self.console_url is None else [httpx.URL(self.console_url).host]
        return tuple(name.strip().lower() for name in [*self.console_hosts.split(","), *own] if name.strip())

    @property
    def has_secure_cookies(self) -> bool:
        """Whether browsers send the cookie over TLS only."""
        by_url = self.console_url is not None and self.console_url.startswith("https:")
        return self.console_secure_cookies or self.console_tls_certificate_file is not None or by_url

    @property
    def secret(self) -> str:
        """The secret of the session cookies: the one that is set, or else a fresh one at each call."""
        return self.console_secret.get_secret_value() if self.console_secret else secrets.token_hex(32)

    @model_validator(mode="after")
    def _secret_is_long(self) -> Self:
        if isinstance(self.console_secret, SecretStr) and len(self.console_secret.get_secret_value()) < SHORTEST_SECRET:
            raise ValueError(f"FEDFACE_CONSOLE_SECRET has fewer than {SHORTEST_SECRET} characters: give a longer one")
        return self

    @model_validator(mode="after")
    def _client_is_whole(self) -> Self:
        if self.console_oidc_client_id is not None and self.console_url is None:
            raise ValueError(
                "FEDFACE_CONSOLE_OIDC_CLIENT_ID needs FEDFACE_CONSOLE_URL, where the issuer leads browsers back to"
            )
        if self.console_oidc_client_id is None and self.console_oidc_client_secret is not None:
            raise ValueError("FEDFACE_CONSOLE_OIDC_CLIENT_SECRET is of a client: set FEDFACE_CONSOLE_OIDC_CLIENT_ID too")
        return self

    @model_validator(mode="after")
    def _few_hosts(self) -> Self:
        if len(self.hosts) > _MOST_HOSTS:
            raise ValueError(f"FEDFACE_CONSOLE_HOSTS has more than {_MOST_HOSTS} names")
        return self

    @model_validator(mode="after")
    def _pair_is_whole(self) -> Self:
        check_pair_of("CONSOLE", self.console_tls_certificate_file, self.console_tls_key_file)
        return self
