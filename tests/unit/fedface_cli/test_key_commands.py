"""API keys: made, listed and deleted, and shown once."""

from __future__ import annotations

import io
import json

import pytest

from support.command_line import Invoke, Terminal
from support.fake_sign_in import KEY, KEY_ID, FakeSignIn

ADMIN = "ff_ffffffffffffffff_admin"


@pytest.fixture
def admin(people: FakeSignIn, monkeypatch: pytest.MonkeyPatch) -> FakeSignIn:
    people.believed[ADMIN] = ("key:root", ["admin"])
    monkeypatch.setenv("FEDFACE_TOKEN", ADMIN)
    return people


def test_a_key_is_made_and_printed_alone(fedface: Invoke, admin: FakeSignIn) -> None:
    code, out, err = fedface("keys", "create", "nightly", "--role", "operator", "--role", "uploader", "--days", "30")
    assert (code, out) == (0, f"{KEY}\n")
    assert err.startswith(f"{KEY_ID}: key:nightly, operator, uploader, until 2027-01-01 00:00; this is the only time")
    assert (admin.keys[KEY_ID]["roles"], admin.keys[KEY_ID]["days"]) == (["operator", "uploader"], 30)
    made = json.loads(fedface("keys", "create", "nightly", "--role", "viewer", "--json")[1])
    assert (made["key"], made["roles"]) == (KEY, ["viewer"])


def test_keys_are_listed_without_their_secrets(fedface: Invoke, admin: FakeSignIn) -> None:
    assert "no keys: make one" in fedface("keys", "list")[2]
    fedface("keys", "create", "nightly", "--role", "viewer")
    code, out, _ = fedface("keys", "list")
    assert code == 0
    assert out.split() == [
        *("id", "name", "roles", "made", "expires", "last", "used"),
        *(KEY_ID, "nightly", "viewer", "2026-10-01", "08:00", "2027-01-01", "00:00", "–"),
    ]
    assert KEY not in out + fedface("keys", "list", "--json")[1]


def test_a_key_is_deleted(fedface: Invoke, admin: FakeSignIn) -> None:
    fedface("keys", "create", "nightly", "--role", "viewer")
    assert fedface("keys", "delete", "--yes", KEY_ID)[:2] == (0, f"{KEY_ID} is deleted\n")
    code, _, err = fedface("keys", "delete", "--yes", KEY_ID)
    assert (code, err) == (4, f"error: there is no key {KEY_ID}\n")


def test_delete_asks_on_a_terminal_and_refuses_where_nobody_can_confirm(
    fedface: Invoke, admin: FakeSignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    fedface("keys", "create", "nightly", "--role", "viewer")
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    code, _, err = fedface("keys", "delete", KEY_ID)
    assert (code, "nobody is here to confirm it: add --yes" in err) == (2, True)
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    code, out, err = fedface("keys", "delete", KEY_ID)
    assert (code, out) == (0, f"{KEY_ID} is not deleted\n")
    assert f"Delete the key {KEY_ID}, for good? [y/N]" in err
    assert KEY_ID in admin.keys
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert fedface("keys", "delete", KEY_ID)[0] == 0
    assert KEY_ID not in admin.keys


@pytest.mark.parametrize("wrong", [KEY, "../runs", "a/b", ""])
def test_what_is_no_id_is_not_sent_and_not_quoted(fedface: Invoke, admin: FakeSignIn, wrong: str) -> None:
    code, _, err = fedface("keys", "delete", wrong)
    assert (code, err.startswith("error: this is no id of an API key"), KEY in err) == (2, True, False)


def test_who_may_not_is_told_which_role_is_needed(fedface: Invoke, admin: FakeSignIn) -> None:
    admin.believed[ADMIN] = ("key:nightly", ["operator"])
    code, _, err = fedface("keys", "list")
    assert code == 1
    assert err == (
        "error: you may not do this; this needs the role admin; an admin can give a key that has it: "
        "fedface keys create NAME --role admin\n"
    )


def test_an_unknown_role_names_those_that_there_are(fedface: Invoke, admin: FakeSignIn) -> None:
    code, _, err = fedface("keys", "create", "x", "--role", "root")
    assert (code, "uploader" in err) == (2, True)
