"""One error tree. Each error carries the HTTP status that the API answers with; adapters map third-party errors into it."""

from __future__ import annotations

from collections.abc import Mapping


class FedFaceError(Exception):
    """Anything FedFace refuses or cannot do. The message is written for the person who reads it."""

    status = 500
    title = "FedFace error"


class InvalidInputError(FedFaceError, ValueError):
    """The caller's input is wrong: the message says what, where, and what would be right."""

    status = 422
    title = "Invalid input"


class NotFoundError(FedFaceError, LookupError):
    """There is no such run, round or object."""

    status = 404
    title = "Not found"


class WrongPhaseError(FedFaceError):
    """The run or round is in a phase that does not allow this; the message names the phase and what it allows."""

    status = 409
    title = "Wrong phase"


class StaleVersionError(FedFaceError):
    """Somebody else changed the run since it was loaded. Load it again and decide again."""

    status = 409
    title = "Changed meanwhile"


class ArtifactMissingError(NotFoundError):
    """The artifact store has no object under this key."""

    title = "Artifact missing"


class UnavailableError(FedFaceError):
    """The ledger, the broker or the artifact store does not answer, or refuses our credentials. Trying again may help."""

    status = 503
    title = "Unavailable"


class UnknownSchemaError(FedFaceError):
    """What was read has a schema version that this FedFace does not read: another version wrote it."""

    title = "Unknown schema version"


class TooFewUpdatesError(FedFaceError):
    """So many updates of a round were refused that it cannot be averaged. The message says why each was."""

    status = 422
    title = "Too few updates"

    def __init__(self, folded: int, minimum: int, refused: Mapping[str, str]) -> None:
        why = ", ".join(f"{client} ({reason})" for client, reason in sorted(refused.items()))
        super().__init__(f"{folded} updates could be used, fewer than the minimum {minimum}; refused: {why}")


class UpdateRefusedError(FedFaceError):
    """An update failed a check. ``reason`` is one of `fedface_core.domain.update.RefusalReason`."""

    status = 422
    title = "Update refused"

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
