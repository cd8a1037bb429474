"""Which API a command is for: its options before the environment, and that before the file of settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_cli.command_options import ApiOptions
from fedface_cli.connection import CA_VARIABLE, DEFAULT_URL, URL_VARIABLE, chosen_place
from fedface_core.domain.errors import InvalidInputError
from support.command_line import Invoke

SETTINGS = """
default = "lab"
[profiles.lab]
api_url = "https://lab.example"
ca_file = "lab.crt"
[profiles.home]
api_url = "http://127.0.0.1:8100/"
"""


@pytest.fixture
def settings(home: Path) -> Path:
    path = home / "config/fedface/config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(SETTINGS)
    return path


@pytest.mark.parametrize(
    ("options", "environment", "url", "authorities"),
    [
        (ApiOptions(), {}, "https://lab.example", "lab.crt"),
        (ApiOptions(), {"FEDFACE_PROFILE": "home"}, "http://127.0.0.1:8100", None),
        (ApiOptions(profile="lab"), {"FEDFACE_PROFILE": "home"}, "https://lab.example", "lab.crt"),
        (ApiOptions(), {URL_VARIABLE: "http://other"}, "http://other", None),
        (ApiOptions(), {URL_VARIABLE: "http://other", CA_VARIABLE: "/env.crt"}, "http://other", "env.crt"),
        (
            ApiOptions(profile="lab"),
            {URL_VARIABLE: "http://other", CA_VARIABLE: "/env.crt"},
            "https://lab.example",
            "lab.crt",
        ),
        (ApiOptions(profile="home"), {CA_VARIABLE: "/env.crt"}, "http://127.0.0.1:8100", "env.crt"),
        (ApiOptions(api_url="http://said"), {URL_VARIABLE: "http://other"}, "http://said", None),
        (ApiOptions(api_url="https://said", profile="lab"), {}, "https://said", "lab.crt"),
        (ApiOptions(ca_file=Path("/said.crt")), {}, "https://lab.example", "said.crt"),
    ],
)
def test_what_is_said_closest_counts(
    settings: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: ApiOptions,
    environment: dict[str, str],
    url: str,
    authorities: str | None,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    place = chosen_place(options)
    assert (str(place.url), place.ca_file and place.ca_file.name) == (url, authorities)


def test_without_anything_it_is_this_machine(home: Path) -> None:
    assert str(chosen_place(ApiOptions()).url) == DEFAULT_URL


def test_the_authorities_of_a_profile_lie_beside_the_settings(settings: Path) -> None:
    assert chosen_place(ApiOptions()).ca_file == settings.parent / "lab.crt"


def test_the_option_reaches_the_request(fedface: Invoke, settings: Path) -> None:
    code, _, err = fedface("run", "list", "--api-url", "http://127.0.0.1:9")
    assert (code, "no control API at http://127.0.0.1:9" in err) == (5, True)
    code, _, err = fedface("run", "list", "--api-url", "http://user:pw~1@[::1")
    assert (code, "pw~1" in err) == (2, False)


def test_authorities_that_cannot_be_read_are_named(fedface: Invoke, home: Path) -> None:
    (home / "no.crt").write_text("no certificate")
    for name, says in (("gone.crt", "cannot be read: No such file"), ("no.crt", "has no certificates")):
        code, _, err = fedface("run", "list", "--api-url", "https://127.0.0.1:9", "--ca-file", str(home / name))
        assert (code, f"{home / name}" in err, says in err) == (2, True, True)


def test_a_url_of_a_profile_that_is_none_is_refused(settings: Path) -> None:
    settings.write_text('[profiles.lab]\napi_url = "lab.example"\n')
    with pytest.raises(InvalidInputError, match="must start with http://"):
        chosen_place(ApiOptions(profile="lab"))
