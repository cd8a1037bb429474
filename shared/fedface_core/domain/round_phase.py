"""The phases of a round, and its moves from one to another."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from fedface_core.domain.deposit import Deposit
from fedface_core.domain.transitions import Transition


class RoundPhase(StrEnum):
    """The phases of a round. Those that only masked rounds have are explained (ADR 41)."""

    REGISTERING = "registering"
    """At enrolment: devices register their public keys."""
    SHARING = "sharing"
    """Clients share keys of the round with their neighbours."""
    HANDING_ON = "handing_on"
    """The aggregator hands on what was shared: it fixes the roster of each shard."""
    OPEN = "open"
    UNMASKING = "unmasking"
    """The accepted set is final: its clients sign it, and reveal shares."""
    SUSPENDED = "suspended"
    AGGREGATING = "aggregating"
    EVALUATING = "evaluating"
    FINISHED = "finished"
    ABANDONED = "abandoned"


ENDED_ROUND: Final = frozenset({RoundPhase.FINISHED, RoundPhase.ABANDONED})
DEPOSITS: Final = {
    RoundPhase.REGISTERING: (Deposit.DEVICE_KEYS,),
    RoundPhase.SHARING: (Deposit.KEY_BUNDLE,),
    RoundPhase.UNMASKING: (Deposit.SIGNATURE, Deposit.REVELATION),
}
"""Phase → the deposits that it asks for."""
PHASE_OF_DEPOSIT: Final = {deposit: phase for phase, deposits in DEPOSITS.items() for deposit in deposits}
"""Deposit → the phase that takes it."""
WAITS_FOR_CLIENTS: Final = DEPOSITS.keys() | {RoundPhase.OPEN}
"""The phases that wait for clients, until a deadline. A pause at once suspends them."""
FIRST_PHASES: Final = frozenset({RoundPhase.OPEN, RoundPhase.REGISTERING, RoundPhase.SHARING})
"""In which a round begins: masked ones in the latter two, of enrolment and of training."""
BEFORE_OPEN: Final = frozenset({RoundPhase.REGISTERING, RoundPhase.SHARING, RoundPhase.HANDING_ON})
"""The phases of a masked round before it takes updates: a client that cannot take part fails in them."""

MASKED_PHASES: Final = BEFORE_OPEN | {RoundPhase.UNMASKING}
"""The phases that only masked rounds have."""


class RoundMove(StrEnum):
    """The moves of a round from phase to phase. Each move is a method of `Round`."""

    REGISTERED = "registered"
    SHARED = "shared"
    HANDED_ON = "handed on"
    CLOSE = "close"
    UNMASKED = "unmasked"
    AGGREGATED = "aggregated"
    EVALUATED = "evaluated"
    SKIP_EVALUATION = "skip evaluation"
    SUSPEND = "suspend"
    REOPEN = "reopen"
    ABANDON = "abandon"


ROUND_TRANSITIONS: Final[dict[RoundMove, Transition[RoundPhase]]] = {
    RoundMove.REGISTERED: Transition.between({RoundPhase.REGISTERING}, RoundPhase.SHARING),
    RoundMove.SHARED: Transition.between({RoundPhase.SHARING}, RoundPhase.HANDING_ON),
    RoundMove.HANDED_ON: Transition.between({RoundPhase.HANDING_ON}, RoundPhase.OPEN),
    RoundMove.CLOSE: Transition.between({RoundPhase.OPEN}, RoundPhase.AGGREGATING, RoundPhase.UNMASKING),
    RoundMove.UNMASKED: Transition.between({RoundPhase.UNMASKING}, RoundPhase.AGGREGATING),
    RoundMove.AGGREGATED: Transition.between({RoundPhase.AGGREGATING}, RoundPhase.EVALUATING),
    RoundMove.EVALUATED: Transition.between({RoundPhase.EVALUATING}, RoundPhase.FINISHED),
    RoundMove.SKIP_EVALUATION: Transition.between({RoundPhase.EVALUATING}, RoundPhase.FINISHED),
    RoundMove.SUSPEND: Transition.between(WAITS_FOR_CLIENTS, RoundPhase.SUSPENDED),
    RoundMove.REOPEN: Transition.between({RoundPhase.SUSPENDED}, *WAITS_FOR_CLIENTS),
    RoundMove.ABANDON: Transition.between(set(RoundPhase) - ENDED_ROUND, RoundPhase.ABANDONED),
}
