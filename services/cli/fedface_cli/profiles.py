"""Profiles: the control APIs that a person works with, by name, in one file of settings.

The file is ``config.toml`` in the folder of FedFace's settings (``~/.config/fedface`` on Linux):

    default = "lab"

    [profiles.lab]
    api_url = "https://faces.example.org:8000"
    ca_file = "ca.crt"

A profile holds no secret. Who has signed in is kept by `fedface_cli.sessions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from platformdirs import user_config_path
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from fedface_cli.api_url import checked_api_url
from fedface_cli.plan_files import make_part, parse_document
from fedface_core.domain.errors import InvalidInputError
from fedface_core.files.bounded_file import read_text

PROFILE_VARIABLE = "FEDFACE_PROFILE"
_NAME = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]


class _SettingsPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Profile(_SettingsPart):
    api_url: str
    ca_file: Path | None = None


class _Settings(_SettingsPart):
    default: str | None = Field(default=None, description="The profile of commands that name none.")
    profiles: dict[_NAME, _Profile] = Field(default_factory=dict, max_length=1000)


@dataclass(frozen=True)
class Profile:
    """One API that a person works with. A relative ``ca_file`` was relative to the file of settings."""

    name: str
    api_url: str
    ca_file: Path | None


def settings_path() -> Path:
    """The file of settings, which need not exist."""
    return user_config_path("fedface") / "config.toml"


def chosen_profile(option: str | None, environ: Mapping[str, str]) -> Profile | None:
    """The profile that the option, FEDFACE_PROFILE or the file's ``default`` names, in this order; None if none does.

    `InvalidInputError` if there is no such profile, with those that there are, or if the file is wrong.
    """
    path = settings_path()
    settings = _read(path)
    named = option if option is not None else environ.get(PROFILE_VARIABLE) or settings.default
    if named is None:
        return None
    profile = settings.profiles.get(named)
    if profile is None:
        said = "--profile" if option is not None else PROFILE_VARIABLE if environ.get(PROFILE_VARIABLE) else "default"
        there = ", ".join(sorted(settings.profiles)) or "none"
        raise InvalidInputError(f"{said} is {named!r:.100}: {path} has no such profile; it has: {there}")
    checked_api_url(profile.api_url)
    ca_file = None if profile.ca_file is None else path.parent / profile.ca_file.expanduser()
    return Profile(named, profile.api_url, ca_file)


def _read(path: Path) -> _Settings:
    if not path.exists():
        return _Settings()
    fields = parse_document(read_text(path, "the file of settings is TOML"), "TOML", str(path))
    return make_part(_Settings, fields, f"{path} is wrong")
