"""API keys: make, list and delete them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated

import structlog
from fastapi import APIRouter, Body, Depends, Path, Request, status

from fedface_control.actor import actor
from fedface_control.api.routes.runs import INVALID, Responses
from fedface_control.auth.by_settings import KNOWN_NAMES
from fedface_control.auth.roles import Role, requires
from fedface_control.auth.sign_in import SignIn
from fedface_core.contracts.http import Problem
from fedface_core.contracts.sign_in import KeyList, KeyView, MadeKey, NewKey
from fedface_core.domain.api_key import ApiKey, KeyId, new_api_key
from fedface_core.domain.errors import KeyExistsError

log = structlog.get_logger(__name__)

TAKEN: Responses = {
    409: {"model": Problem, "description": "There is a key of this name, or there are as many keys as there may be."}
}
UNKNOWN_KEY: Responses = {404: {"model": Problem, "description": "There is no such key."}}

KEY_EXAMPLE = {
    "operator": {
        "summary": "A key for a script that runs plans, good for 90 days.",
        "value": {"name": "nightly", "roles": ["operator"], "days": 90},
    }
}

router = APIRouter(prefix="/keys", tags=["sign-in"])


async def sign_in_of(request: Request) -> SignIn:
    """Who may use the app."""
    sign_in: SignIn = request.app.state.sign_in
    return sign_in


SignInDep = Annotated[SignIn, Depends(sign_in_of)]


@router.post(
    "",
    operation_id="createKey",
    status_code=status.HTTP_201_CREATED,
    responses=TAKEN | INVALID,
    dependencies=[requires(Role.ADMIN)],
)
def create_key(wanted: Annotated[NewKey, Body(openapi_examples=KEY_EXAMPLE)], sign_in: SignInDep) -> MadeKey:
    """Make an API key. The answer shows it, and nobody can have it shown again: only its digest is kept."""
    if wanted.name in KNOWN_NAMES:
        raise KeyExistsError(f"the name {wanted.name!r} is that of a key in the settings; take another name")
    key, token = new_api_key(wanted.name, tuple(wanted.roles), now=datetime.now(UTC), days=wanted.days, made_by=actor())
    sign_in.keys.add(key)
    log.info("api_key_made", key=key.name, roles=[*key.roles], expires_at=key.expires_at.isoformat())
    return MadeKey(key=token, **_view(key, None).model_dump())


@router.get("", operation_id="listKeys", dependencies=[requires(Role.ADMIN)])
def list_keys(sign_in: SignInDep) -> KeyList:
    """List all API keys by their names: their roles, who made them, when they end, and the day of their last use."""
    return KeyList(keys=[_view(key, used_on) for key, used_on in sign_in.keys.all()])


@router.delete(
    "/{key_id}",
    operation_id="deleteKey",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=UNKNOWN_KEY | INVALID,
    dependencies=[requires(Role.ADMIN)],
)
def delete_key(key_id: Annotated[KeyId, Path(description="The key's id.")], sign_in: SignInDep) -> None:
    """Delete an API key. From now on nobody signs in with it."""
    sign_in.keys.delete(key_id)
    log.info("api_key_deleted", key_id=key_id)


def _view(key: ApiKey, used_on: date | None) -> KeyView:
    return KeyView(
        id=key.id,
        name=key.name,
        roles=[*key.roles],
        made_at=key.made_at,
        made_by=key.made_by,
        expires_at=key.expires_at,
        last_used=used_on,
    )
