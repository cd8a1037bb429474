"""The file of settings: its profiles, and what is said about a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_cli.profiles import chosen_profile, settings_path
from fedface_core.domain.errors import InvalidInputError
from support.command_line import Invoke


def write(home: Path, text: str) -> Path:
    path = home / "config/fedface/config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def test_the_file_need_not_exist(home: Path) -> None:
    assert settings_path() == home / "config/fedface/config.toml"
    assert chosen_profile(None, {}) is None


def test_an_unknown_profile_names_those_that_there_are(fedface: Invoke, home: Path) -> None:
    path = write(home, '[profiles.lab]\napi_url = "http://lab"\n[profiles.home]\napi_url = "http://home"\n')
    code, _, err = fedface("run", "list", "--profile", "lba")
    assert (code, err) == (2, f"error: --profile is 'lba': {path} has no such profile; it has: home, lab\n")
    with pytest.raises(InvalidInputError, match="FEDFACE_PROFILE is 'x'"):
        chosen_profile(None, {"FEDFACE_PROFILE": "x"})


def test_a_profile_without_a_file_is_unknown(home: Path) -> None:
    with pytest.raises(InvalidInputError, match="it has: none"):
        chosen_profile("lab", {})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[profiles.lab", "is not TOML"),
        ('[profiles.lab]\napi_ulr = "http://x"\n', "profiles.lab.api_ulr: there is no such field; did you mean"),
        ('[profiles.lab]\napi_url = "http://x"\ntoken = "s3cr3t"\n', "profiles.lab.token: there is no such field"),
        ('default = "gone"\n', "default is 'gone'"),
        ('[profiles."a b"]\napi_url = "http://x"\n', "profiles"),
    ],
)
def test_a_wrong_file_is_told_by_field(fedface: Invoke, home: Path, text: str, says: str) -> None:
    write(home, text)
    code, _, err = fedface("run", "list")
    assert (code, says in err, "s3cr3t" in err) == (2, True, False)
