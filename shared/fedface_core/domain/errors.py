"""The error tree. Each class has one cause and carries the HTTP status that the API answers with.

    FedFaceError                  anything that FedFace refuses or cannot do
    ├── InvalidInputError         a person's input is wrong: a plan, an option, a file, a photograph
    ├── DamagedObjectError        stored or received bytes are not what FedFace wrote
    ├── LostResidualError         a client's residual, which its next update needs, is no longer in the store
    ├── NotFoundError             there is no such run, round or object
    │   └── ArtifactMissingError  the artifact store has no object under a key
    ├── WrongPhaseError           the phase of the run or round does not allow what was asked
    ├── TooManyRunsError          the ledger holds as many runs as it may
    ├── KeyExistsError            there is an API key of this name
    ├── TooManyKeysError          there are as many API keys as there may be
    ├── StaleVersionError         somebody else changed the run in the meantime
    ├── UnavailableError          the ledger, the broker or the artifact store does not answer, or cannot serve now
    │   └── MissingRightError       it does not let this user do this
    ├── EvictingLedgerError       the server of the ledger may remove records when its memory is full
    ├── UnknownSchemaError        another version of FedFace wrote what was read
    ├── TooFewUpdatesError        too few updates of a round passed their checks
    ├── UpdateRefusedError        one update failed a check
    └── UnusableModelError        a round's new model gives no embeddings, or one and the same for all images

Adapters translate the errors of other libraries into these. A package may add errors of its own below `FedFaceError`.
"""

from __future__ import annotations

from collections.abc import Mapping

from fedface_core.domain.credentials import mask_credentials


class FedFaceError(Exception):
    """Anything FedFace refuses or cannot do. The message is written for the person who reads it.

    Credentials in URLs are hidden in every message, since messages are printed, logged, stored and pasted into reports.
    """

    status = 500
    title = "FedFace error"

    def __init__(self, message: str = "") -> None:
        super().__init__(mask_credentials(message))


class InvalidInputError(FedFaceError, ValueError):
    """A person's input is wrong. The message says what is wrong, where, and what would be right."""

    status = 422
    title = "Invalid input"


class DamagedObjectError(FedFaceError, ValueError):
    """Stored or received bytes are not what FedFace wrote: they are cut short, altered, or of another kind."""

    status = 500
    title = "Damaged object"


class LostResidualError(FedFaceError):
    """The store no longer has the residual of a client. Without it, the client's next update would differ."""

    status = 500
    title = "Lost residual"


class NotFoundError(FedFaceError, LookupError):
    """There is no such run, round or object."""

    status = 404
    title = "Not found"


class WrongPhaseError(FedFaceError):
    """The phase of the run or round does not allow what was asked. The message names the phase and what it allows."""

    status = 409
    title = "Wrong phase"


class TooManyRunsError(FedFaceError):
    """The ledger holds as many runs as it may. Deleting runs that have ended makes room."""

    status = 409
    title = "Too many runs"


class KeyExistsError(FedFaceError):
    """There is an API key of this name. Whoever holds it would share the runs and the audit trail of the new one."""

    status = 409
    title = "Key exists"


class TooManyKeysError(FedFaceError):
    """There are as many API keys as there may be. Deleting those that have expired makes room."""

    status = 409
    title = "Too many keys"


class StaleVersionError(FedFaceError):
    """Somebody else changed the run after it was loaded. The caller has to load the run again and to decide again."""

    status = 409
    title = "Changed meanwhile"


class ArtifactMissingError(NotFoundError):
    """The artifact store has no object under this key."""

    title = "Artifact missing"


class UnavailableError(FedFaceError):
    """The ledger, the broker or the artifact store does not answer, cannot serve now, or refuses our credentials. Trying
    again may help.
    """

    status = 503
    title = "Unavailable"


class MissingRightError(UnavailableError):
    """The server does not let this user do this. Trying again does not help: an operator has to give the user the right."""

    title = "Missing right"


class EvictingLedgerError(FedFaceError):
    """The server of the ledger may remove records when its memory is full. The message names the right policy."""

    status = 503
    title = "Ledger is not safe"


class UnknownSchemaError(FedFaceError):
    """A message or record has a schema version that this FedFace does not read: another version wrote it."""

    title = "Unknown schema version"


class TooFewUpdatesError(FedFaceError):
    """So many updates of a round were refused that it cannot be averaged. The message gives the reason of each refusal."""

    status = 422
    title = "Too few updates"

    def __init__(self, folded: int, minimum: int, refused: Mapping[str, str]) -> None:
        reasons = ", ".join(f"{client} ({reason})" for client, reason in sorted(refused.items()))
        super().__init__(f"{folded} updates could be used, fewer than the minimum {minimum}; refused: {reasons}")


class UnusableModelError(FedFaceError):
    """The model that a round has made is of no use, so it is not published. The message says what it gives."""

    status = 422
    title = "Unusable model"


class UpdateRefusedError(FedFaceError):
    """One update failed a check. ``reason`` is a value of `fedface_core.domain.update.RefusalReason`."""

    status = 422
    title = "Update refused"

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = str(self)
