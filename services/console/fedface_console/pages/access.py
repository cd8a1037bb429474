"""Who the reader is, what each role may do, and for admins the API keys."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from fedface_console.control_api import ControlApi, Reader
from fedface_console.errors import ApiProblemError
from fedface_console.forms import read_form
from fedface_console.permissions import operations
from fedface_console.sessions import session_of
from fedface_console.templating import ApiDep, page
from fedface_core.contracts.http import FieldProblem
from fedface_core.contracts.sign_in import KeyList, KeyView, MadeKey, NewKey
from fedface_core.domain.api_key import LONGEST_NAME, MOST_DAYS
from fedface_core.domain.role import MAY, Role

KeyIdPath = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]
ROLE_FIELD: Final = "role-"
"""What the names of the form's boxes begin with, before a role."""
_REFUSED_FIELDS: Final = (409, 422)
_DIGITS: Final = 10  # more than any number of days has that the API takes

router = APIRouter(prefix="/access")


@router.get("")
async def show_access(request: Request, api: ApiDep) -> HTMLResponse:
    """Show who the reader is, and what may be done by whom."""
    return await _page(request, api)


@router.post("/keys")
async def make_key(request: Request, api: ApiDep) -> HTMLResponse:
    """Have the API make a key, and show it: this once."""
    form = await read_form(request)
    days = form.get("days", "").strip()
    is_number = days.isascii() and days.isdigit() and len(days) <= _DIGITS
    wanted = {
        "name": form.get("name", "").strip(),
        "roles": [role for role in Role if f"{ROLE_FIELD}{role}" in form],
        "days": int(days) if is_number else days,  # the API takes no text for a number, and says what is wrong with it
    }
    try:
        made = await api.change(MadeKey, "POST", "/v1/keys", json=wanted)
    except ApiProblemError as error:
        if error.status not in _REFUSED_FIELDS:
            raise
        return await _page(request, api, given=form, wrong=error.wrong or [FieldProblem(field="", message=str(error))])
    return await _page(request, api, made=made)


@router.post("/keys/{key_id}/delete")
async def delete_key(request: Request, key_id: KeyIdPath, api: ApiDep) -> Response:
    """Have the API delete a key."""
    await read_form(request)
    await api.change(KeyView, "DELETE", f"/v1/keys/{key_id}")
    return RedirectResponse("/access#keys", 303)


async def _page(
    request: Request,
    api: ControlApi,
    *,
    made: MadeKey | None = None,
    given: Mapping[str, str] | None = None,
    wrong: Sequence[FieldProblem] = (),
) -> HTMLResponse:
    reader = await api.reader()
    found, keys = await asyncio.gather(operations(api), _keys(api, reader))
    return page(
        request,
        "access.html",
        422 if wrong else 200,
        reader=reader,
        by_issuer=session_of(request).at_issuer is not None,
        roles=list(Role),
        may=MAY,
        operations=found,
        keys=keys,
        made=made,
        given={"name": "", "days": str(NewKey.model_fields["days"].default)} | dict(given or {}),
        wrong=wrong,
        longest_name=LONGEST_NAME,
        most_days=MOST_DAYS,
        role_field=ROLE_FIELD,
    )


async def _keys(api: ControlApi, reader: Reader) -> list[KeyView] | None:
    """All keys by name; None if the reader may not see them."""
    return (await api.get(KeyList, "/v1/keys")).keys if reader.may(Role.ADMIN) else None
