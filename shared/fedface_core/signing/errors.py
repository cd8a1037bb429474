"""The errors of signatures. They are of damaged objects: who can live with a damaged object can live with a forged one."""

from __future__ import annotations

from fedface_core.domain.errors import DamagedObjectError


class SignatureError(DamagedObjectError):
    """An object or a message is not signed by the service that may make it. The message says which, and what to do."""

    title = "Wrong signature"


class UnsignedError(SignatureError):
    """An object has no signature at all: it was made by a FedFace that did not sign, or by somebody else."""

    title = "No signature"
