"""Which control API a command talks to, and as whom: by its options, the environment, and the profiles.

An option counts more than the environment, and the environment more than the file of settings. A profile's URL and its
authorities go together: both are taken, or neither.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fedface_cli.api_client import DEFAULT_TIMEOUT, ControlApi
from fedface_cli.api_url import checked_api_url
from fedface_cli.command_options import ApiOptions
from fedface_cli.profiles import chosen_profile
from fedface_cli.token_auth import auth_for

if TYPE_CHECKING:
    import httpx

DEFAULT_URL = "http://127.0.0.1:8000"
URL_VARIABLE = "FEDFACE_API_URL"
CA_VARIABLE = "FEDFACE_API_CA_FILE"


@dataclass(frozen=True)
class ApiPlace:
    """Where a control API is, and which authorities may sign its certificate; None for those that the machine trusts."""

    url: httpx.URL
    ca_file: Path | None = None


def chosen_place(options: ApiOptions) -> ApiPlace:
    """The API that a command with these options is for. `InvalidInputError` if its URL or its profile is wrong."""
    is_said = options.api_url is not None and options.profile is None
    profile = None if is_said else chosen_profile(options.profile, os.environ)
    environment = {name: os.environ.get(name, "").strip() for name in (URL_VARIABLE, CA_VARIABLE)}
    if profile is not None and (options.profile is not None or not environment[URL_VARIABLE]):
        url = profile.api_url
        ca_file = profile.ca_file or _path(environment[CA_VARIABLE])
    else:
        url = environment[URL_VARIABLE] or DEFAULT_URL
        ca_file = _path(environment[CA_VARIABLE])
    return ApiPlace(checked_api_url((options.api_url or url).strip()), options.ca_file or ca_file)


def connect(options: ApiOptions, *, timeout: float = DEFAULT_TIMEOUT) -> ControlApi:
    """A connection to the API that a command with these options is for, as who has signed in there.

    ``timeout``: how many seconds it waits for each part of an answer.
    """
    place = chosen_place(options)
    auth = auth_for(place.url, place.ca_file)
    return ControlApi(str(place.url), auth=auth, ca_file=place.ca_file, timeout=timeout)


def _path(text: str) -> Path | None:
    return Path(text) if text else None
