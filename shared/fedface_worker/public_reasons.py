"""What a worker that has photographs says about an error: the one place that decides what leaves its machine.

Ledger, store, messages and the API can be read from afar. The paths and labels of a data set name people, and the messages
of unexpected errors may quote anything. So of an error about a data set only its public reason leaves, and of an
unexpected error only its class. Everything else is in the log of the worker, under a code that the reason names.
"""

from __future__ import annotations

import secrets

import structlog

from fedface_core.domain.data_error import DataError
from fedface_core.domain.errors import FedFaceError, InvalidInputError, UpdateRefusedError
from fedface_core.domain.plan import Plan
from fedface_core.domain.reasons import LONGEST_REASON, masked, reason_of, shortened

log = structlog.get_logger(__name__)


def reason_of_client(error: Exception, plan: Plan) -> str:
    """Why a client failed, as it may leave its device.

    With masks nothing may that was computed from its photographs: norms, losses and counts stay in the log, under a code.
    """
    may_quote_numbers = isinstance(error, InvalidInputError | UpdateRefusedError) and not isinstance(error, DataError)
    if plan.secure_aggregation is None or not may_quote_numbers:
        return public_reason(error)
    code = secrets.token_hex(4)
    log.warning("client_cannot_update", code=code, detail=masked(str(error)))
    kind = error.reason if isinstance(error, UpdateRefusedError) else "training"
    return f"its device has no update to send: {kind} (code {code})"


def public_reason(error: Exception, longest: int = LONGEST_REASON) -> str:
    """Why something failed, as it may leave the machine. What may not is logged, and the reason has the code of that record.

    Our own errors have messages for people, about runs, updates and objects in the store; of them, only a `DataError` names
    files and people. Passwords, keys and rows of numbers are masked, and the reason is one line of ``longest`` characters at
    most.
    """
    if isinstance(error, DataError):
        log.warning("data_unusable", code=error.reason, detail=masked(str(error)))
        return error.public
    if isinstance(error, FedFaceError):
        whole = shortened(masked(str(error)), len(str(error)))
        reason = shortened(whole, longest)
        if reason != whole:
            log.warning("reason_shortened", detail=whole)
        return reason
    code = secrets.token_hex(4)
    log.error("unexpected_error", code=code, detail=reason_of(error))
    return f"{type(error).__name__} (code {code})"
