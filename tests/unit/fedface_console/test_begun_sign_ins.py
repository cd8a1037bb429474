from __future__ import annotations

import json
import time

import pytest

from fedface_console.begun_sign_ins import LONGEST_SECONDS, BegunSignIn, BegunSignIns
from fedface_console.errors import NotSignedInError
from fedface_console.sessions import Session, cipher_of

SECRET = "a secret that is long enough"
SIGN_INS = BegunSignIns(SECRET)
SESSION = Session()
BEGUN = BegunSignIn(issuer="https://id.example.org", back="/models", form_secret=SESSION.form_secret)


def test_the_session_that_has_begun_a_sign_in_finishes_it() -> None:
    assert SIGN_INS.begun(SIGN_INS.state(BEGUN), SESSION) == BEGUN


def test_the_state_tells_the_issuer_nothing() -> None:
    state = SIGN_INS.state(BEGUN)
    for secret in (BEGUN.nonce, BEGUN.verifier, BEGUN.form_secret, BEGUN.back):
        assert secret not in state


def test_each_sign_in_has_secrets_of_its_own() -> None:
    other = BegunSignIn(issuer=BEGUN.issuer, back=BEGUN.back, form_secret=BEGUN.form_secret)
    assert other.nonce != BEGUN.nonce
    assert other.verifier != BEGUN.verifier
    assert 43 <= len(BEGUN.verifier) <= 128  # RFC 7636, section 4.1


def test_no_other_session_no_other_console_and_no_other_text_finishes_it() -> None:
    cookie = cipher_of(SECRET).encrypt(json.dumps({"form_secret": SESSION.form_secret}).encode()).decode()
    strange = cipher_of(SECRET, " begun sign-in").encrypt(b'{"back": "/"}').decode()
    theirs = BegunSignIns("another secret, long enough too").state(BEGUN)
    for state in ("", "x", "é", cookie, strange, theirs, SIGN_INS.state(BEGUN)[:-4]):
        with pytest.raises(NotSignedInError, match="has begun no such sign-in"):
            SIGN_INS.begun(state, SESSION)
    with pytest.raises(NotSignedInError, match="has begun no such sign-in"):
        SIGN_INS.begun(SIGN_INS.state(BEGUN), Session())


def test_a_state_ends_after_some_minutes() -> None:
    fields = json.dumps(vars(BEGUN)).encode()
    made_at = int(time.time()) - LONGEST_SECONDS - 60
    state = cipher_of(SECRET, " begun sign-in").encrypt_at_time(fields, made_at).decode()
    with pytest.raises(NotSignedInError, match="within the last 15 minutes"):
        SIGN_INS.begun(state, SESSION)
