"""Signing in at the OIDC issuer: the way there, and the way back."""

from __future__ import annotations

from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from fedface_console.begun_sign_ins import BegunSignIn, BegunSignIns
from fedface_console.control_api import ControlApi
from fedface_console.errors import AwayError, NotSignedInError, PageError, SignedOutError
from fedface_console.issuer import OidcClient
from fedface_console.issuer_sessions import IssuerSession, IssuerSessions
from fedface_console.pages.sign_in import AT_ISSUER, BackQuery, end_session, local, sign_in_page
from fedface_console.sessions import Session, session_of, set_session
from fedface_console.templating import api_of_nobody
from fedface_core.domain.free_text import one_line

log = structlog.get_logger(__name__)

DONE: Final = f"{AT_ISSUER}/done"
"""Where the issuer leads the browser back to."""
_MOST_SHOWN: Final = 300
Given = Annotated[str, Query(max_length=8192)]

router = APIRouter()


@router.get(AT_ISSUER)
async def begin(request: Request, back: BackQuery = "/") -> Response:
    """Lead the browser to the issuer."""
    try:
        address = await _way_to_issuer(request, local(back))
    except (NotSignedInError, AwayError) as error:
        return await _came_to_nothing(request, back, error)
    return RedirectResponse(address, 303)


@router.get(DONE)
async def finish(
    request: Request, state: Given = "", code: Given = "", error: Given = "", error_description: Given = "", iss: Given = ""
) -> Response:
    """Begin a session with the tokens for the issuer's code, and lead back to the page that the reader came from."""
    back = "/"
    try:
        begun = _begun_sign_ins(request).begun(state, session_of(request))
        back = begun.back
        _check_answer(begun, code, f"{error} {error_description}".strip(), iss)
        session = await _session(request, begun, code)
    except (NotSignedInError, AwayError) as wrong:
        log.warning("sign_in_failed", reason=str(wrong))
        return await _came_to_nothing(request, back, wrong)
    await end_session(request)
    sessions: IssuerSessions = request.app.state.issuer_sessions
    set_session(request, Session(at_issuer=sessions.add(session)))
    return RedirectResponse(local(back), 303)


async def _way_to_issuer(request: Request, back: str) -> str:
    """The address of the issuer's page for a sign-in that begins now. `NotSignedInError` if nobody can sign in there."""
    oidc = _own_client(request)
    ways = await api_of_nobody(request).ways_to_sign_in()
    if ways.issuer is None:
        raise NotSignedInError("The API has no OIDC issuer. Sign in with an API key.")
    begun = BegunSignIn(issuer=ways.issuer, back=back, form_secret=session_of(request).form_secret)
    state = _begun_sign_ins(request).state(begun)
    return await oidc.authorization_url(ways.issuer, state, begun.nonce, begun.verifier, ways.audience)


def _check_answer(begun: BegunSignIn, code: str, error: str, iss: str) -> None:
    """`NotSignedInError` unless the issuer that was asked has sent the browser back with a code."""
    if iss not in ("", begun.issuer):  # RFC 9207
        raise NotSignedInError("Another issuer has answered than the one that was asked. Begin again.")
    if error or not code:
        said = one_line(error or "it gave no code")[:_MOST_SHOWN]
        raise NotSignedInError(f"The issuer {begun.issuer} did not sign you in: {said}.")


async def _session(request: Request, begun: BegunSignIn, code: str) -> IssuerSession:
    """The session that a code brings. `NotSignedInError` if the issuer gives no tokens, or the API does not take them."""
    oidc = _own_client(request)
    tokens = await oidc.exchanged(begun.issuer, code, begun.nonce, begun.verifier)
    session = IssuerSession(oidc, begun.issuer, tokens)
    try:
        reader = await ControlApi(request.app.state.http, session).reader()
    except SignedOutError as refused:
        await session.end()
        why = f"{begun.issuer} has signed you in, but the API does not take its token: {refused}"
        raise NotSignedInError(why) from None
    session.actor = reader.actor or ""
    return session


def _begun_sign_ins(request: Request) -> BegunSignIns:
    begun: BegunSignIns = request.app.state.begun_sign_ins
    return begun


def _own_client(request: Request) -> OidcClient:
    oidc: OidcClient | None = request.app.state.oidc
    if oidc is None:
        raise NotSignedInError("The console has no client at an issuer: set FEDFACE_CONSOLE_OIDC_CLIENT_ID, or take a key.")
    return oidc


async def _came_to_nothing(request: Request, back: str, error: PageError) -> Response:
    return await sign_in_page(request, back, refused=str(error), status=error.status)
