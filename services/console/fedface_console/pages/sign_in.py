"""Signing in with an API key or an access token, and out."""

from __future__ import annotations

import json
import re
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from fedface_console.control_api import ControlApi, Reader, TokenAuth
from fedface_console.errors import ApiProblemError, AwayError, SignedOutError
from fedface_console.forms import read_form
from fedface_console.issuer import OidcClient
from fedface_console.issuer_sessions import IssuerSessions
from fedface_console.sessions import LONGEST_TOKEN, Session, session_of, set_session
from fedface_console.templating import api_of_nobody, page
from fedface_core.contracts.sign_in import WaysToSignIn

AT_ISSUER: Final = "/sign-in/issuer"
"""Where a sign-in at the issuer begins."""
LONGEST_ADDRESS: Final = 2000
BackQuery = Annotated[str, Query(max_length=LONGEST_ADDRESS)]
_LOCAL: Final = re.compile(rf"/(?![/\\])[!-~]{{0,{LONGEST_ADDRESS}}}")

router = APIRouter()


@router.get("/sign-in")
async def show_sign_in(request: Request, back: BackQuery = "/", out: bool = False) -> Response:
    """Show how to sign in; lead on if nobody has to. ``out``: somebody has signed out just now."""
    return await sign_in_page(request, back, out=out)


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Begin a session with the token of the form, if the API takes it."""
    form = await read_form(request)
    back = form.get("back", "/")
    token = form.get("token", "").strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token or _length(token) > LONGEST_TOKEN:
        wanted = f"Give an API key or an access token: up to {LONGEST_TOKEN:,} letters, digits and signs."
        return await sign_in_page(request, back, refused=wanted)
    try:
        await ControlApi(request.app.state.http, TokenAuth(token)).reader()
    except SignedOutError as error:
        return await sign_in_page(request, back, refused=f"The API does not take this key or token: {error}")
    await end_session(request)
    set_session(request, Session(token))
    return RedirectResponse(local(back), 303)


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """End the session in this browser, and its tokens at the issuer. A key stays good elsewhere."""
    await read_form(request)
    await end_session(request)
    set_session(request, Session())
    return RedirectResponse("/sign-in?out=true", 303)


async def sign_in_page(request: Request, back: str, *, out: bool = False, refused: str = "", status: int = 422) -> Response:
    """The page with the ways to sign in. ``refused`` says why the last try came to nothing, and ``status`` is for that."""
    try:
        ways = await api_of_nobody(request).ways_to_sign_in()
        issuer_problem = ""
    except ApiProblemError as error:  # its issuer is away; keys are still good
        if error.status != 503:
            raise
        ways = WaysToSignIn(open=False, issuer=None, client_id=None, device_authorization=False)
        issuer_problem = str(error)
    if ways.open and not refused:
        return RedirectResponse(local(back), 303)
    oidc: OidcClient | None = request.app.state.oidc
    own_address = request.app.state.settings.console_url
    return page(
        request,
        "sign_in.html",
        status if refused else 200,
        reader=Reader(actor=None, roles=[], sign_in=False),
        back=local(back),
        issuer=ways.issuer,
        issuer_problem=issuer_problem,
        # By the console's own address, to which the issuer leads back: a cookie of another name would not come along.
        begins_at=f"{own_address}{AT_ISSUER}?{urlencode({'back': local(back)})}" if oidc and ways.issuer else None,
        ended=session_of(request).is_signed_in and not refused,
        out=out,
        out_at=await _sign_out_address(oidc, ways.issuer) if out else None,
        refused=refused,
    )


async def end_session(request: Request) -> None:
    """Forget the tokens of this browser's session at the issuer, if it has one."""
    session = session_of(request)
    if session.at_issuer is not None:
        sessions: IssuerSessions = request.app.state.issuer_sessions
        ended = sessions.take(session.at_issuer)
        if ended is not None:
            await ended.end()


def _length(token: str) -> int:
    """The characters that the token takes in the session's cookie."""
    return len(json.dumps(token, allow_nan=False)) - 2


def local(address: str) -> str:
    """The address if it is one of the console's, or else that of its first page: a link must not lead elsewhere."""
    return address if _LOCAL.fullmatch(address) else "/"


async def _sign_out_address(oidc: OidcClient | None, issuer: str | None) -> str | None:
    """Where people sign out at the issuer itself, if that is known now."""
    if oidc is None or issuer is None:
        return None
    try:
        return await oidc.sign_out_url(issuer)
    except AwayError:
        return None
