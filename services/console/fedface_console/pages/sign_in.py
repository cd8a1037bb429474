"""Signing in with an API key or an access token, and out."""

from __future__ import annotations

import re
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from fedface_console.control_api import ControlApi, Reader
from fedface_console.errors import SignedOutError
from fedface_console.forms import read_form
from fedface_console.sessions import LONGEST_TOKEN, Session, session_of, set_session
from fedface_console.templating import ApiDep, page

LONGEST_ADDRESS: Final = 2000
_LOCAL: Final = re.compile(r"/(?![/\\])[!-~]*")

router = APIRouter()


@router.get("/sign-in")
async def show_sign_in(
    request: Request, api: ApiDep, back: Annotated[str, Query(max_length=LONGEST_ADDRESS)] = "/"
) -> Response:
    """Show the form for a key or a token; lead on if nobody has to sign in."""
    ways = await api.ways_to_sign_in()
    if ways.open:
        return RedirectResponse(_local(back), 303)
    return _form(request, back, ways.issuer, ended=session_of(request).token is not None)


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Begin a session with the token of the form, if the API takes it."""
    form = await read_form(request)
    back = form.get("back", "/")
    token = form.get("token", "").strip()
    if not token or len(token) > LONGEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        wanted = f"Give an API key or an access token: up to {LONGEST_TOKEN:,} letters, digits and signs."
        return _form(request, back, None, refused=wanted)
    try:
        await ControlApi(request.app.state.http, token).reader()
    except SignedOutError as error:
        return _form(request, back, None, refused=f"The API does not take this key or token: {error}")
    set_session(request, Session(token))
    return RedirectResponse(_local(back), 303)


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """End the session in this browser. The key or token stays good elsewhere."""
    await read_form(request)
    set_session(request, Session())
    return RedirectResponse("/sign-in", 303)


def _form(request: Request, back: str, issuer: str | None, *, ended: bool = False, refused: str = "") -> HTMLResponse:
    status = 422 if refused else 200
    nobody = Reader(actor=None, roles=[], sign_in=False)
    return page(
        request, "sign_in.html", status, reader=nobody, back=_local(back), issuer=issuer, ended=ended, refused=refused
    )


def _local(address: str) -> str:
    """The address if it is one of the console's, or else that of its first page: a link must not lead elsewhere."""
    return address if _LOCAL.fullmatch(address) else "/"
