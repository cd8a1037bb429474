"""What a control API refuses because of who asks, as errors that say what to do."""

from __future__ import annotations

from fedface_core.domain.errors import FedFaceError, UnavailableError


class NotSignedInError(FedFaceError):
    """The API does not know who asks: there is no token, or it is not believed."""

    status = 401
    title = "Not signed in"


class NotAllowedError(FedFaceError):
    """Who asks has not the role that the request needs."""

    status = 403
    title = "Not allowed"


class TooManyRequestsError(UnavailableError):
    """More was asked than may be asked at a time. ``seconds``: when to ask again."""

    status = 429
    title = "Too many requests"

    def __init__(self, message: str, seconds: float = 60.0) -> None:
        super().__init__(message)
        self.seconds = seconds
