"""`fedface login|logout|whoami`: who asks the control API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from fedface_cli.command_options import api_options, open_api, with_api
from fedface_cli.terminal import answer, json_wanted, print_json, say

if TYPE_CHECKING:
    from fedface_cli.connection import ApiPlace
    from fedface_cli.issuer import DeviceCode
    from fedface_cli.sessions import Session
    from fedface_core.contracts.sign_in import WaysToSignIn


def add_to(app: typer.Typer) -> None:
    """Add the commands to ``fedface``."""
    for command in (login, logout, whoami):
        app.command()(command)


@with_api
def login() -> None:
    """Sign in at the control API with any browser, by a code.

    The tokens are kept by the keyring of this system, or else in a file that only you can read. They are renewed while the
    session lasts. Scripts sign in with an API key in FEDFACE_TOKEN instead.
    """
    from fedface_cli.api_client import ControlApi
    from fedface_cli.connection import chosen_place
    from fedface_cli.sessions import keep_session
    from fedface_cli.token_auth import SessionAuth, TokenAuth

    place = chosen_place(api_options())
    with ControlApi(str(place.url), ca_file=place.ca_file) as api:
        where = api.where
        how = api.sign_in()
    if how.open:
        answer(
            {"api_url": where, "sign_in": False}, f"{where} is open to everybody who reaches it: there is no need to sign in"
        )
        return
    session = _confirmed_session(place, how, where)
    # Only a session that the API believes is kept; so it must not be renewed before, which keeps it and changes it.
    auth = TokenAuth(session.access_token, SessionAuth.remedy)
    with ControlApi(str(place.url), auth=auth, ca_file=place.ca_file) as api:
        me = api.me()
    kept_in = keep_session(session)
    roles = ", ".join(me.roles) or "none"
    answer(
        {"api_url": where, "sign_in": True, "actor": me.actor, "roles": me.roles, "kept_in": kept_in},
        f"signed in at {where} as {me.actor}; roles: {roles}",
        f"the session is kept in {kept_in}",
    )


@with_api
def logout() -> None:
    """Forget the session at the control API. An API key in FEDFACE_TOKEN is not touched."""
    from fedface_cli.connection import chosen_place
    from fedface_cli.sessions import forget_session
    from fedface_core.domain.credentials import mask_url

    url = str(chosen_place(api_options()).url)
    forgotten = forget_session(url)
    said = f"the session at {mask_url(url)} is forgotten" if forgotten else f"there was no session at {mask_url(url)}"
    answer({"api_url": mask_url(url), "forgotten": forgotten}, said)


@with_api
def whoami() -> None:
    """Print as whom the control API knows you, and with which roles."""
    with open_api() as api:
        where = api.where
        me = api.me()
    who = me.actor or "nobody in particular, for sign-in is off there"
    shown = {"api_url": where, "actor": me.actor, "roles": me.roles}
    answer(shown, f"{who} at {where}; roles: {', '.join(me.roles) or 'none'}")


def _confirmed_session(place: ApiPlace, how: WaysToSignIn, where: str) -> Session:
    """The session of a person who confirms a code at the issuer. `FedFaceError` if the API and its issuer offer no codes."""
    from fedface_cli.issuer import ask_for_code, discover, issuer_client, wait_for_session
    from fedface_core.domain.errors import FedFaceError, InvalidInputError
    from fedface_core.domain.loopback import hides_what_is_sent

    if not hides_what_is_sent(place.url.scheme, place.url.host):
        raise InvalidInputError(f"{where} has no TLS: a session there would be heard by others; give a URL with https://")
    if how.issuer is None or how.client_id is None or not how.device_authorization:
        raise FedFaceError(
            f"{where} takes API keys only: ask an admin for one (`fedface keys create`), and set FEDFACE_TOKEN"
        )
    with issuer_client(how.issuer, place.ca_file) as issuer:
        endpoints = discover(issuer, how.issuer)
        code = ask_for_code(issuer, endpoints, how.client_id, how.audience)
        _show(code)
        return wait_for_session(issuer, endpoints, how.client_id, code, str(place.url))


def _show(code: DeviceCode) -> None:
    """Tell the person what to do, on standard error: standard output has the answer alone."""
    whole = code.verification_uri_complete
    if json_wanted():
        shown = {"verification_uri": code.verification_uri, "user_code": code.user_code, "verification_uri_complete": whole}
        print_json(shown, indent=None, err=True)
        return
    say(f"open {code.verification_uri} in a browser, and confirm the code {code.user_code}", err=True)
    if whole is not None:
        say(f"or open {whole}", err=True)
