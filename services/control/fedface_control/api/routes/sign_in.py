"""Who has signed in, and how people do."""

from __future__ import annotations

from fastapi import APIRouter, Security

from fedface_control.api.routes.keys import SignInDep
from fedface_control.auth.roles import PrincipalDep, described_as_signed_in
from fedface_core.contracts.sign_in import Me, WaysToSignIn
from fedface_core.domain.role import with_included

router = APIRouter(tags=["sign-in"])


@router.get("/me", operation_id="getMe", dependencies=[Security(described_as_signed_in)])
async def me(principal: PrincipalDep, sign_in: SignInDep) -> Me:
    """Say who has sent the request, and what that actor may do. It takes no role."""
    return Me(actor=principal.actor, roles=sorted(with_included(principal.roles)), sign_in=not sign_in.open)


@router.get("/sign-in", operation_id="getSignIn")
def ways(sign_in: SignInDep) -> WaysToSignIn:
    """Say how people sign in. Nobody has to sign in for this."""
    tokens = sign_in.tokens
    if tokens is None:
        return WaysToSignIn(open=sign_in.open, issuer=None, client_id=None, device_authorization=False)
    metadata = tokens.issuer.published().metadata
    return WaysToSignIn(
        open=False,
        issuer=metadata.issuer,
        client_id=sign_in.client_id,
        device_authorization=sign_in.client_id is not None and metadata.device_authorization_endpoint is not None,
        audience=sign_in.audience,
    )
