"""How far a run is, as one number. Kills wait for progress, not for a time, so they fall before the run's end."""

from __future__ import annotations

from dataclasses import dataclass

from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import ENDED, RunPhase
from fedface_core.ports import RunLedger

# The share of a round that is done when it enters a phase. Clients that settle take it from the first to the second.
_SHARE_AT_START = {
    RoundPhase.SHARING: 0.03,
    RoundPhase.HANDING_ON: 0.07,
    RoundPhase.OPEN: 0.1,
    RoundPhase.UNMASKING: 0.7,
    RoundPhase.AGGREGATING: 0.7,
    RoundPhase.EVALUATING: 0.85,
    RoundPhase.FINISHED: 1.0,
}
_PREPARING_AMOUNT = 0.3  # preparing a run counts as this share of a round


@dataclass(frozen=True)
class Progress:
    """Where a run is: its round and that round's phase, or no round and the run's own phase.

    ``amount`` is in rounds; `last_evaluation_at` says how far it goes.
    """

    round: int | None
    phase: str
    amount: float
    ended: bool = False

    def __str__(self) -> str:
        """The round and the phase, for messages and tables."""
        return self.phase if self.round is None else f"round {self.round}, {self.phase}"


def last_evaluation_at(rounds: int) -> float:
    """The amount of progress at which the last of ``rounds`` training rounds begins to be evaluated."""
    return _PREPARING_AMOUNT + rounds + _SHARE_AT_START[RoundPhase.EVALUATING]


def read_progress(ledger: RunLedger, run_id: str) -> Progress:
    """Read from the ledger where the run is now."""
    run = ledger.load(run_id)
    if run.round is None:
        amount = _PREPARING_AMOUNT / 2 if run.phase is RunPhase.PREPARING else 0.0
        return Progress(None, run.phase, amount, run.phase in ENDED)
    current = ledger.load_round(run_id, run.round)
    share = _SHARE_AT_START.get(current.phase, 0.0)
    if current.phase is RoundPhase.OPEN:
        settled = 1 - len(ledger.tally(run_id, run.round).unsettled) / len(current.cohort)
        share += settled * (_SHARE_AT_START[RoundPhase.AGGREGATING] - share)
    return Progress(run.round, current.phase, _PREPARING_AMOUNT + run.round + share, run.phase in ENDED)
