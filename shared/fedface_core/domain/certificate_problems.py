"""What the reasons mean for which TLS refuses a certificate, and what to do about each."""

from __future__ import annotations

from typing import Final

# Words of OpenSSL and of Python's ssl module, in small letters → what is wrong.
_PROBLEMS: Final = {
    "has expired": "its certificate has ended: renew it on that server, and restart the server",
    "not yet valid": "its certificate is not valid yet: set the clocks of both machines by NTP",
    "mismatch": "its certificate is for other names: name the server as its certificate does, or make it a certificate with "
    "this name",
    "not valid for": "its certificate is for other names: name the server as its certificate does, or make it a certificate "
    "with this name",
    "certificate_verify_failed": "no authority that is trusted here signed its certificate: name the file of the authority "
    "that did in {setting}",
}


def certificate_problem(reason: str, setting: str) -> str | None:
    """What is wrong with a server's certificate, and the remedy; None if ``reason`` is no refusal of a certificate.

    ``reason`` is the text of an error of OpenSSL, redis-py, urllib3 or httpx. ``setting`` names trusted authorities.
    """
    text = reason.lower()
    if "certificate" not in text:
        return None
    return next((problem.format(setting=setting) for words, problem in _PROBLEMS.items() if words in text), None)
