"""Pages from templates: what each of them may use, and who looks at it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
from fastapi import Depends, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from fedface_console import wording
from fedface_console.actions import new_key
from fedface_console.control_api import ControlApi, TokenAuth
from fedface_console.errors import PageError
from fedface_console.issuer_sessions import IssuerSessions
from fedface_console.sessions import session_of
from fedface_core.domain.ids import RUN_ID_PATTERN

FOLDER: Final = Path(__file__).parent
ASSETS: Final = {"static": FOLDER / "static", "vendor": FOLDER / "vendor"}

PAGES: Final = (("/models", "Models"), ("/fleet", "Fleet"), ("/access", "Access"))
"""Address and name of the pages in the navigation, beside the runs."""
RUN_TABS: Final = (("overview", "", "Overview"), ("curves", "/curves", "Curves"), ("events", "/events", "Audit trail"))
"""The pages of a run: name, end of the address, and label."""


async def api_of(request: Request) -> ControlApi:
    """The API as the reader of this request sees it. `SignedOutError` if the reader's session at the issuer is gone."""
    return ControlApi(request.app.state.http, _auth_of(request))


def api_of_nobody(request: Request) -> ControlApi:
    """The API as somebody sees it who has not signed in."""
    return ControlApi(request.app.state.http, None)


def _auth_of(request: Request) -> httpx.Auth | None:
    session = session_of(request)
    if session.at_issuer is not None:
        sessions: IssuerSessions = request.app.state.issuer_sessions
        return sessions.find(session.at_issuer)
    return None if session.token is None else TokenAuth(session.token)


ApiDep = Annotated[ControlApi, Depends(api_of)]


def templates() -> Environment:
    """The environment of all templates. What they show is data, and never HTML, unless a template says so."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=wording.percent,
        figure=wording.figure,
        size=wording.size,
        span=wording.span,
        counted=wording.counted,
        moment=moment,
        prose=prose,
    )
    environment.globals.update(
        asset=_asset,
        pages=PAGES,
        run_id_pattern=RUN_ID_PATTERN,
        run_tabs=RUN_TABS,
        marks=wording.MARKS,
        new_key=new_key,
        seconds_between=wording.seconds_between,
        strictest_tar=wording.strictest_tar,
        why_it_waits=wording.why_it_waits,
    )
    return environment


def page(request: Request, name: str, status: int = 200, **context: Any) -> HTMLResponse:
    """A page of the template ``name``."""
    return HTMLResponse(fragment(request, name, **context), status)


def fragment(request: Request, name: str, **context: Any) -> str:
    """The HTML of the template ``name``."""
    environment: Environment = request.app.state.templates
    common = {
        "form_secret": session_of(request).form_secret,
        "grafana": request.app.state.settings.grafana_url,
        "path": request.url.path,
        "now": datetime.now(UTC),
    }
    return environment.get_template(name).render(common | context)


def notice(request: Request, error: PageError | None) -> str:
    """What is wrong, as a part of a page; empty if nothing is."""
    return "" if error is None else fragment(request, "_notice.html", error=error)


def moment(at: datetime | None, kind: str = "minute") -> str | Markup:
    """A time, which the browser shows in the reader's zone; without a script it is shown in UTC. A dash for None."""
    if at is None:
        return "–"
    text = at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S" if kind == "second" else "%Y-%m-%d %H:%M")
    machine = at.astimezone(UTC).isoformat()
    return Markup('<time datetime="{}" data-kind="{}">{} UTC</time>').format(machine, kind, text)


def prose(text: str) -> Markup:
    """A text of the API's schema as HTML: what stands between backticks is code."""
    parts = text.split("`")
    return Markup("").join(Markup("<code>{}</code>").format(part) if place % 2 else part for place, part in enumerate(parts))


def _asset(name: str) -> str:
    """The address of one of our files, with its digest, so that a browser may keep it for ever."""
    folder, _, file = name.partition("/")
    return f"/{name}?{_digest(ASSETS[folder] / file)}"


@cache
def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
