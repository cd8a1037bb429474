"""The errors of secure aggregation."""

from __future__ import annotations

from fedface_core.domain.errors import DamagedObjectError, FedFaceError


class DamagedShareError(DamagedObjectError):
    """A share, a key or a signature of a client is not what its maker has sealed or signed. The message names the client."""

    title = "Damaged share"


class RevealRefusedError(FedFaceError):
    """A client does not mask or reveal: it would help to tell single updates apart. The message says why."""

    status = 409
    title = "Not revealed"


class TooFewSharesError(FedFaceError):
    """A secret cannot be recovered: too few neighbours have revealed a share of it. The message names its client."""

    status = 422
    title = "Too few shares"
