"""A refused certificate is told by its cause, with what to do; other errors are left to others."""

from __future__ import annotations

import pytest

from fedface_core.domain.certificate_problems import certificate_problem

FAILED = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: "


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        (FAILED + "certificate has expired (_ssl.c:1006)", "has ended: renew it"),
        (FAILED + "certificate is not yet valid (_ssl.c:1006)", "NTP"),
        (FAILED + "Hostname mismatch, certificate is not valid for 'redis'. (_ssl.c:1006)", "is for other names"),
        (FAILED + "IP address mismatch, certificate is not valid for '127.0.0.1'.", "is for other names"),
        (
            FAILED + "unable to get local issuer certificate (_ssl.c:1006)",
            "name the file of the authority that did in X_FILE",
        ),
        (FAILED + "self-signed certificate", "name the file of the authority that did in X_FILE"),
    ],
)
def test_the_cause_of_a_refusal_is_told(reason: str, says: str) -> None:
    assert says in str(certificate_problem(reason, "X_FILE"))


@pytest.mark.parametrize(
    "reason", ["Connection refused", "[SSL: WRONG_VERSION_NUMBER] wrong version number", "mismatch", ""]
)
def test_another_error_is_no_refusal(reason: str) -> None:
    assert certificate_problem(reason, "X_FILE") is None
