"""What can go wrong between a page and the API, as our own error tree.

FedFaceError
└── PageError             a page cannot be shown, or an action was not carried out; it has a status and a heading
    ├── ApiProblemError   the API has answered with a problem
    │   └── SignedOutError  it takes the reader's token no longer, or never did; or the issuer renews it no more
    ├── AwayError         there was no answer; it may come later
    │   ├── ApiAwayError     of the control API
    │   └── IssuerAwayError  of the OIDC issuer
    ├── NotSignedInError  a sign-in at the issuer came to nothing
    ├── ForgedFormError   a form is of another session
    └── PrometheusError   Prometheus does not say how the services do
"""

from __future__ import annotations

from collections.abc import Sequence

from fedface_core.contracts.http import FieldProblem
from fedface_core.domain.errors import FedFaceError


class PageError(FedFaceError):
    """A page cannot be shown, or an action was not carried out. The message says why, and what to do."""

    status = 400
    title = "This does not work"
    wrong: Sequence[FieldProblem] = ()
    """Each wrong field of what was sent."""


class ForgedFormError(PageError):
    """A form does not belong to the session of whoever sent it."""

    status = 403
    title = "This form is too old"

    def __init__(self) -> None:
        super().__init__("It belongs to another session. Nothing was done. Load the page again, and send it again.")


class ApiProblemError(PageError):
    """The API has answered with a problem."""

    def __init__(self, status: int, title: str, detail: str, wrong: Sequence[FieldProblem] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.wrong = wrong


class SignedOutError(ApiProblemError):
    """The API does not take the reader's token: it has ended, was deleted, or there is none."""

    def __init__(self, detail: str) -> None:
        super().__init__(401, "You are signed out", detail)


class NotSignedInError(PageError):
    """A sign-in at the issuer came to nothing: it was not begun here, or the issuer or the API says no."""

    title = "You are not signed in"


class AwayError(PageError):
    """There was no answer. It may come later."""

    status = 503


class ApiAwayError(AwayError):
    """The control API has not answered."""

    title = "The control API does not answer"


class IssuerAwayError(AwayError):
    """The OIDC issuer has not answered, or not as OpenID Connect says."""

    title = "The issuer does not answer"


class PrometheusError(PageError):
    """Prometheus does not answer, or with what is not understood."""

    status = 503
    title = "Prometheus does not answer"
