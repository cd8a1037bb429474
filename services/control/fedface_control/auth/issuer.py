"""What is fetched of the OIDC issuer: its metadata and its public keys. How often does not depend on who sends tokens.

PyJWT's own client of key sets asks the issuer again for each token with an unknown key id, reads an answer of any length,
follows the issuer to any other host, and goes through the proxies of the environment. So only its keys are used here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
import urllib3
from jwt import PyJWK
from jwt.exceptions import PyJWTError
from pydantic import BaseModel, Field, ValidationError

from fedface_control.auth.errors import IssuerUnavailableError
from fedface_core.domain.credentials import mask_credentials

log = structlog.get_logger(__name__)

MOST_BYTES: Final = 256 * 2**10
"""Of the metadata, and of the key set. A key takes a kilobyte, with its certificates a few."""
MOST_KEYS: Final = 64
FETCH_SECONDS: Final = 5.0
"""How long one answer may take."""


@dataclass(frozen=True)
class Pace:
    """How often the issuer is asked.

    Its keys are asked for anew when they are ``fresh_seconds`` old, and believed until they are ``usable_seconds`` old if it
    does not answer. Keys that it may have added since are looked for every ``unknown_seconds`` at most. After a failure it
    is left alone for ``failed_seconds``.
    """

    fresh_seconds: float = 600.0
    usable_seconds: float = 3600.0
    unknown_seconds: float = 30.0
    failed_seconds: float = 10.0


class Metadata(BaseModel):
    """What an issuer says about itself (OpenID Connect Discovery 1.0), of which nothing else is used."""

    issuer: str
    jwks_uri: str
    device_authorization_endpoint: str | None = None


class _KeySet(BaseModel):
    keys: list[dict[str, Any]] = Field(max_length=MOST_KEYS)


@dataclass(frozen=True)
class Published:
    """What the issuer has published, and when it was fetched, in seconds of the monotonic clock."""

    metadata: Metadata
    keys: tuple[Mapping[str, Any], ...]
    at: float
    made: dict[tuple[str | None, str], PyJWK | None] = field(default_factory=dict, repr=False)
    """Keys that were looked for and found, by key id and algorithm."""

    def key(self, key_id: str | None, algorithm: str) -> PyJWK | None:
        """The key with this id for signatures of this algorithm, or None.

        Without an id it is the only key for the algorithm, if there is only one.
        """
        sought = (key_id, algorithm)
        if sought not in self.made:
            found = self._find(key_id, algorithm)
            if found is None:
                return None  # not kept: ids are invented without end
            self.made[sought] = found
        return self.made[sought]

    def _find(self, key_id: str | None, algorithm: str) -> PyJWK | None:
        of_id = [key for key in self.keys if key_id is None or key.get("kid") == key_id]
        found = [made for key in of_id if (made := _signing_key(key, algorithm)) is not None]
        return found[0] if len(found) == 1 else None


class Issuer:
    """The issuer at ``url``, whose certificate is signed by ``authorities``, by default by those of the machine."""

    def __init__(
        self,
        url: str,
        authorities: Path | None = None,
        *,
        pace: Pace = Pace(),
        fetch: Callable[[str], bytes] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = url
        self._pace = pace
        self._fetch = fetch or _Fetcher(authorities)
        self._monotonic = monotonic
        self._published: Published | None = None
        self._failed_at: float | None = None
        self._failure = "it is being asked just now"
        self._fetching = threading.Lock()

    def published(self) -> Published:
        """What the issuer has published. `IssuerUnavailableError` if it does not answer, and nothing usable is known."""
        known = self._published
        if known is None or self._age(known) >= self._pace.fresh_seconds:
            self._refresh(known)
            known = self._published
        if known is None or not self._is_usable(known):
            raise IssuerUnavailableError(
                f"the OIDC issuer {self.url} cannot be used: {self._failure}; so access tokens cannot be checked, and API "
                "keys can"
            )
        return known

    def key(self, key_id: str | None, algorithm: str) -> PyJWK | None:
        """The issuer's public key with this id for signatures of this algorithm, or None if it publishes none.

        An unknown id lets the issuer be asked again, but only after a while. `IssuerUnavailableError` as `published`.
        """
        known = self.published()
        found = known.key(key_id, algorithm)
        if found is None and self._age(known) >= self._pace.unknown_seconds:
            self._refresh(known)
            found = self.published().key(key_id, algorithm)
        return found

    def _age(self, published: Published) -> float:
        return self._monotonic() - published.at

    def _is_usable(self, published: Published) -> bool:
        return self._age(published) < self._pace.usable_seconds

    def _refresh(self, known: Published | None) -> None:
        """Fetch anew, unless another thread has fetched or is fetching.

        It is not waited for: an issuer that hangs must not hold all threads of the API.
        """
        if not self._fetching.acquire(blocking=False):
            return
        try:
            failed_before = self._failed_at is not None and self._monotonic() - self._failed_at < self._pace.failed_seconds
            if self._published is not known or failed_before:
                return
            try:
                self._published = self._fetch_all()
                self._failed_at = None
            except _IssuerProblem as problem:
                self._failure = str(problem)
                self._failed_at = self._monotonic()
                log.warning("issuer_unavailable", issuer=self.url, reason=self._failure)
        finally:
            self._fetching.release()

    def _fetch_all(self) -> Published:
        at = self._monotonic()
        try:
            place = f"{self.url.rstrip('/')}/.well-known/openid-configuration"
            metadata = Metadata.model_validate_json(self._fetch(place))
            if metadata.issuer != self.url:
                raise _IssuerProblem(
                    f"it calls itself {metadata.issuer!r:.200}: FEDFACE_OIDC_ISSUER has to be equal to that"
                )
            if urlsplit(metadata.jwks_uri).scheme != urlsplit(self.url).scheme:
                raise _IssuerProblem(f"its keys are at {metadata.jwks_uri!r:.200}, which has another scheme")
            keys = _KeySet.model_validate_json(self._fetch(metadata.jwks_uri)).keys
        except ValidationError as error:
            wrong = error.errors(include_input=False, include_url=False)[0]
            raise _IssuerProblem(f"{'.'.join(map(str, wrong['loc'])) or 'its answer'}: {wrong['msg']:.200}") from None
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise _IssuerProblem(mask_credentials(f"{error}")[:300]) from None
        return Published(metadata, tuple(keys), at)


class _IssuerProblem(Exception):  # noqa: N818 - why the issuer cannot be used now; nobody else sees it
    """What is wrong with the issuer's answer."""


class _Fetcher:
    """Gets a URL: without proxies, without redirects, within `FETCH_SECONDS` and `MOST_BYTES`."""

    def __init__(self, authorities: Path | None) -> None:
        self._pool = urllib3.PoolManager(
            ca_certs=None if authorities is None else str(authorities),
            cert_reqs="CERT_REQUIRED",
            timeout=urllib3.Timeout(total=FETCH_SECONDS),
            retries=False,
        )

    def __call__(self, url: str) -> bytes:
        """The body of the answer. urllib3's errors, or `_IssuerProblem` if it is not as it should be."""
        deadline = time.monotonic() + FETCH_SECONDS
        response = self._pool.request(
            "GET", url, redirect=False, preload_content=False, headers={"Accept": "application/json"}
        )
        try:
            if response.status != 200:
                raise _IssuerProblem(f"{url} answers with status {response.status}")
            body = bytearray()
            while part := response.read1(2**16):
                body += part
                if len(body) > MOST_BYTES:
                    raise _IssuerProblem(f"{url} answers with more than {MOST_BYTES} bytes")
                if time.monotonic() > deadline:
                    raise _IssuerProblem(f"{url} does not answer within {FETCH_SECONDS:g} s")
            return bytes(body)
        finally:
            response.close()


def _signing_key(key: Mapping[str, Any], algorithm: str) -> PyJWK | None:
    """The key for signatures of this algorithm; None if it is for other ones, for encryption, or is no key at all."""
    operations = key.get("key_ops")
    if (
        key.get("alg", algorithm) != algorithm
        or key.get("use", "sig") != "sig"
        or (isinstance(operations, list) and "verify" not in operations)
    ):
        return None
    try:
        return PyJWK(dict(key), algorithm)
    except (PyJWTError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
        # The issuer's other keys are as good as before.
        log.warning("issuer_key_unreadable", key_id=str(key.get("kid"))[:100], reason=type(error).__name__)
        return None
