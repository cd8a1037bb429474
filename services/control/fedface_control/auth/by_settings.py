"""Who may use the API, by its settings."""

from __future__ import annotations

from typing import Final

import structlog

from fedface_control.auth.access_tokens import AccessTokens
from fedface_control.auth.browsers import Hosts
from fedface_control.auth.errors import IssuerUnavailableError
from fedface_control.auth.issuer import Issuer
from fedface_control.auth.limits import RequestLimits, counts_in_redis
from fedface_control.auth.principal import Principal
from fedface_control.auth.sign_in import KnownKey, SignIn
from fedface_core.domain.errors import InvalidInputError, UnavailableError
from fedface_core.domain.role import Role
from fedface_core.ports import ApiKeys
from fedface_core.runtime.settings import ControlSettings

log = structlog.get_logger(__name__)

FIRST: Final = "first"
METRICS: Final = "metrics"
KNOWN_NAMES: Final = frozenset({FIRST, METRICS})
"""The names of the keys that settings give. No other key has one of them."""


def sign_in_by(settings: ControlSettings, keys: ApiKeys) -> SignIn:
    """Who may use the API by these settings, and by the stored ``keys``.

    The issuer is asked once now, so that its keys are there when the first people come. `InvalidInputError` if nobody could
    ever sign in.
    """
    given = {FIRST: (settings.api_first_key, Role.ADMIN), METRICS: (settings.api_metrics_key, Role.METRICS)}
    known = [
        KnownKey(key.get_secret_value(), Principal(f"key:{name}", frozenset({role})))
        for name, (key, role) in given.items()
        if key is not None
    ]
    if not settings.api_open and settings.api_first_key is None and settings.oidc_issuer is None:
        _require_keys(keys)
    return SignIn(
        open=settings.api_open,
        keys=keys,
        hosts=Hosts(settings.api_hosts),
        limits=RequestLimits(
            settings.api_requests_per_minute,
            settings.api_failed_sign_ins_per_minute,
            counts_in_redis(settings.redis_address),
        ),
        known=known,
        tokens=_access_tokens(settings),
        client_id=settings.oidc_client_id,
        audience=settings.oidc_audience if settings.oidc_ask_for_audience else None,
        over_tls=settings.api_tls_certificate_file is not None,
    )


def _access_tokens(settings: ControlSettings) -> AccessTokens | None:
    if settings.oidc_issuer is None or settings.api_open:
        return None
    assert settings.oidc_audience is not None, "checked by SignInSettings"
    issuer = Issuer(settings.oidc_issuer, settings.oidc_ca_file)
    try:
        issuer.published()
    except IssuerUnavailableError as error:  # it may come later; until then each sign-in says what is wrong
        log.warning("issuer_away_at_start", reason=str(error))
    return AccessTokens(issuer, settings.oidc_audience, settings.oidc_roles_claim)


def _require_keys(keys: ApiKeys) -> None:
    """Check that somebody can sign in with a stored key. Redis may be away now: then it is not known."""
    try:
        stored = keys.all()
    except UnavailableError:
        return
    if not any(Role.ADMIN in key.roles for key, _ in stored):
        raise InvalidInputError(
            "nobody can sign in: set FEDFACE_API_FIRST_KEY, or FEDFACE_OIDC_ISSUER and FEDFACE_OIDC_AUDIENCE; on your own "
            "machine, FEDFACE_API_OPEN=true lets everybody in"
        )
