"""Signing in at an OIDC issuer by the device authorization grant (RFC 8628): the person confirms a code in any browser.

The endpoints come from the issuer's discovery document (OpenID Connect Discovery 1.0). Who signs in is for the control API
to check; here a token is a word that is kept and sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Final, TypeVar

import httpx
from pydantic import BaseModel, Field, SecretStr, ValidationError

from fedface_cli.proxies import transport_to
from fedface_cli.sessions import Session
from fedface_cli.sign_in_errors import NotSignedInError
from fedface_core.contracts.oidc import DISCOVERY_PATH, Discovery, IssuersUrl, Tokens, refusal_in, shown, told, wrong_fields
from fedface_core.domain.errors import FedFaceError, InvalidInputError, UnavailableError
from fedface_core.domain.loopback import hides_what_is_sent

DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
_MOST_BYTES: Final = 1 << 20
_SLOWER_SECONDS: Final = 5.0
"""RFC 8628, section 3.5: how much longer to wait between two questions after `slow_down`."""
_LONGEST_PAUSE: Final = 60.0
_LONGEST_WAIT: Final = 3600.0
_TIMEOUT: Final = 20.0
BodyT = TypeVar("BodyT", bound=BaseModel)


class Endpoints(Discovery):
    """What a discovery document says about signing in."""

    device_authorization_endpoint: IssuersUrl | None = None
    scopes_supported: list[str] = Field(default_factory=list)


class DeviceCode(BaseModel):
    """A code that a person confirms at the issuer, and the secret by which this process asks what came of it."""

    device_code: SecretStr
    user_code: str = Field(max_length=100)
    verification_uri: str = Field(max_length=2000)
    verification_uri_complete: str | None = Field(default=None, max_length=2000)
    expires_in: Annotated[float, Field(gt=0)]
    interval: Annotated[float, Field(ge=0)] = 5.0


def pause(seconds: float) -> None:
    """Wait between two questions to the issuer."""
    time.sleep(seconds)


def issuer_client(issuer: str, ca_file: Path | None = None) -> httpx.Client:
    """A client for an issuer. It trusts the machine's authorities, and those of ``ca_file`` too.

    `InvalidInputError` if tokens would travel in clear over a network.
    """
    url = _secure(issuer, "the issuer")
    transport, _ = transport_to(url, ca_file, and_the_machines=True)
    return httpx.Client(transport=transport, timeout=_TIMEOUT, headers={"Accept": "application/json"})


def discover(http: httpx.Client, issuer: str) -> Endpoints:
    """The issuer's endpoints. `FedFaceError` if its discovery document is of another issuer, or names none for devices."""
    answer = _ask(http, "GET", issuer.rstrip("/") + DISCOVERY_PATH)
    if not answer.is_success:
        raise FedFaceError(f"the issuer {issuer} has no discovery document: it answered {answer.status_code}")
    endpoints = _body(Endpoints, answer, issuer)
    if endpoints.issuer.rstrip("/") != issuer.rstrip("/"):
        raise FedFaceError(f"the discovery document of {issuer} is of {shown(endpoints.issuer)}")
    if endpoints.device_authorization_endpoint is None:
        raise FedFaceError(f"the issuer {issuer} does not let devices sign in (RFC 8628): set FEDFACE_TOKEN")
    for url in (endpoints.token_endpoint, endpoints.device_authorization_endpoint):
        _secure(url, "an endpoint of the issuer")
    return endpoints


def ask_for_code(http: httpx.Client, endpoints: Endpoints, client_id: str, audience: str | None = None) -> DeviceCode:
    """A code for a person to confirm, for tokens with this ``audience`` if the issuer wants to be asked for it.

    `FedFaceError` if the issuer gives none.
    """
    assert endpoints.device_authorization_endpoint is not None, "discover() has checked it"
    scopes = ["openid", *(scope for scope in ("offline_access",) if scope in endpoints.scopes_supported)]
    form = {"client_id": client_id, "scope": " ".join(scopes)} | ({"audience": audience} if audience else {})
    answer = _ask(http, "POST", endpoints.device_authorization_endpoint, form)
    if not answer.is_success:
        raise FedFaceError(f"the issuer gives no code to sign in with: {_reason(answer)}")
    code = _body(DeviceCode, answer, endpoints.issuer)
    for page in filter(None, (code.verification_uri, code.verification_uri_complete)):
        _secure(page, "the page to confirm the code")
    return code


def wait_for_session(
    http: httpx.Client,
    endpoints: Endpoints,
    client_id: str,
    code: DeviceCode,
    api_url: str,
    clock: Callable[[], float] = time.monotonic,
) -> Session:
    """Ask the issuer again and again until the person has confirmed the code.

    `NotSignedInError` if the person refuses, or the code ends first. The pauses are those that the issuer asks for, and
    twice as long after each question that was not answered.
    """
    interval = min(max(1.0, code.interval), _LONGEST_PAUSE)
    ends = clock() + min(code.expires_in, _LONGEST_WAIT)
    form = {"grant_type": DEVICE_GRANT, "device_code": code.device_code.get_secret_value(), "client_id": client_id}
    while clock() < ends:
        pause(interval)
        try:
            answer = _ask(http, "POST", endpoints.token_endpoint, form)
        except UnavailableError:
            interval = min(2 * interval, _LONGEST_PAUSE)
            continue
        if answer.is_success:
            tokens = _body(Tokens, answer, endpoints.issuer)
            return _session(api_url, endpoints.issuer, client_id, endpoints.token_endpoint, tokens)
        match refusal_in(answer.content, answer.status_code).error:
            case "authorization_pending":
                continue
            case "slow_down":
                interval = min(interval + _SLOWER_SECONDS, _LONGEST_PAUSE)
            case "access_denied":
                raise NotSignedInError("the sign-in was refused at the issuer; nothing is kept")
            case "expired_token":
                break
            case _:
                raise NotSignedInError(f"the issuer did not sign you in: {_reason(answer, code.device_code)}")
    raise NotSignedInError("nobody has confirmed the code in time: run `fedface login` again")


def refreshed(http: httpx.Client, session: Session) -> Session:
    """The session with a fresh access token. `NotSignedInError` if the issuer gives none, since the session has ended."""
    assert session.refresh_token is not None, "there is nothing to refresh it with"
    secret = session.refresh_token.get_secret_value()
    form = {"grant_type": "refresh_token", "refresh_token": secret, "client_id": session.client_id}
    answer = _ask(http, "POST", session.token_endpoint, form)
    if answer.is_server_error:
        raise UnavailableError(f"the issuer {session.issuer} answered {answer.status_code}; try again")
    if not answer.is_success:
        raise NotSignedInError(
            f"your session has ended ({_reason(answer, session.refresh_token)}): sign in again with `fedface login`"
        )
    kept = _body(Tokens, answer, session.issuer).or_refreshed_by(session.refresh_token)
    return _session(session.api_url, session.issuer, session.client_id, session.token_endpoint, kept)


def _session(api_url: str, issuer: str, client_id: str, token_endpoint: str, tokens: Tokens) -> Session:
    return Session(
        api_url=api_url,
        issuer=issuer,
        client_id=client_id,
        token_endpoint=token_endpoint,
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        expires_at=None if tokens.expires_in is None else time.time() + tokens.expires_in,
    )


def _secure(url: str, what: str) -> httpx.URL:
    """The URL. `InvalidInputError` if it is none, or if it is not HTTPS and not of this machine."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        raise InvalidInputError(f"{what} is {shown(url)!r}, which is no URL") from None
    if not hides_what_is_sent(parsed.scheme, parsed.host):
        raise InvalidInputError(f"{what} is {shown(url)}: tokens travel by HTTPS only, but for an issuer on this machine")
    return parsed


def _ask(http: httpx.Client, method: str, url: str, form: Mapping[str, str] | None = None) -> httpx.Response:
    """The answer, of bounded size. `UnavailableError`, which quotes nothing of the form, if there is none."""
    host = httpx.URL(url).host
    try:
        with http.stream(method, url, data=form) as response:
            content = b""
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > _MOST_BYTES:
                    raise FedFaceError(f"the issuer at {host} answers with more than {_MOST_BYTES:,} bytes")
            return httpx.Response(response.status_code, headers=_plain(response.headers), content=content)
    except httpx.HTTPError as error:
        raise UnavailableError(f"the issuer at {host} does not answer ({type(error).__name__}); try again") from None


def _plain(headers: httpx.Headers) -> dict[str, str]:
    """The headers of a body that has been decoded."""
    return {"content-type": headers.get("content-type", "")}


def _body(kind: type[BodyT], answer: httpx.Response, issuer: str) -> BodyT:
    try:
        return kind.model_validate_json(answer.content)
    except ValidationError as error:
        raise FedFaceError(
            f"the issuer {issuer} does not answer as OpenID Connect says (wrong: {wrong_fields(error)})"
        ) from None


def _reason(answer: httpx.Response, secret: SecretStr | None = None) -> str:
    secrets = [] if secret is None else [secret.get_secret_value()]
    return told(refusal_in(answer.content, answer.status_code), *secrets)
