"""What an operation asks of who calls it: one role, which is an OAuth scope in the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer, OpenIdConnect, SecurityScopes

from fedface_control.auth.errors import NotAllowedError, NotSignedInError
from fedface_control.auth.principal import Principal
from fedface_core.domain.role import Role

__all__ = ["OPENID_CONNECT", "PrincipalDep", "Role", "described_as_signed_in", "requires"]

OPENID_CONNECT: Final = "openIdConnect"
"""The name of the scheme in the OpenAPI document. It is there if an issuer is set."""

# The two only describe: `fedface_control.auth.sign_in` has checked the credentials before.
_BEARER = HTTPBearer(
    scheme_name="bearer",
    auto_error=False,
    description="An API key, `ff_ID_SECRET`, or an access token of the OIDC issuer, a JWT. `docs/operations.md` says how to "
    "get one.",
)
_OIDC = OpenIdConnect(
    scheme_name=OPENID_CONNECT,
    openIdConnectUrl="/.well-known/openid-configuration",
    auto_error=False,
    description="The issuer whose access tokens the API believes.",
)


async def principal_of(request: Request) -> Principal:
    """Who has signed in. `NotSignedInError` if nobody has."""
    principal: Principal | None = request.scope.get("fedface.principal")
    if principal is None:
        raise NotSignedInError()
    return principal


PrincipalDep = Annotated[Principal, Depends(principal_of)]


async def described_as_signed_in(_bearer: Annotated[Any, Depends(_BEARER)], _oidc: Annotated[Any, Depends(_OIDC)]) -> None:
    """A dependency that has the OpenAPI document say how an operation is called: signed in."""


async def _require(
    scopes: SecurityScopes, principal: PrincipalDep, _described: Annotated[None, Depends(described_as_signed_in)]
) -> None:
    for scope in scopes.scopes:
        role = Role(scope)
        if not principal.has(role):
            has = ", ".join(sorted(principal.roles)) or "none"
            raise NotAllowedError(f"this takes the role {scope}; {principal.actor} has {has}", role)


def requires(role: Role) -> Any:
    """A dependency of an operation, or of a router, that only those with this role may call.

    `NotSignedInError` (401) if nobody has signed in; `NotAllowedError` (403) if who has signed in has not the role.
    """
    return Security(_require, scopes=[role.value])
