"""How far a run is, as one number: kills that wait for progress fall inside the run, however long the recovery takes."""

from __future__ import annotations

from dataclasses import dataclass

from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import ENDED, RunPhase
from fedface_core.ports import RunLedger

# The share of a round that is behind it when it enters a phase; clients take it from the first to the second.
_SHARE = {RoundPhase.OPEN: 0.1, RoundPhase.AGGREGATING: 0.7, RoundPhase.EVALUATING: 0.85, RoundPhase.FINISHED: 1.0}
_PREPARED = 0.3  # of a round, before round 0


@dataclass(frozen=True)
class Progress:
    """Where a run was seen. ``phase`` is the round's, or the run's where it is in none; ``amount`` is in rounds."""

    round: int | None
    phase: str
    amount: float
    ended: bool = False

    def __str__(self) -> str:
        """For people."""
        return self.phase if self.round is None else f"round {self.round}, {self.phase}"


def end_of(rounds: int) -> float:
    """The amount at which the last of ``rounds`` training rounds begins to be evaluated."""
    return _PREPARED + rounds + _SHARE[RoundPhase.EVALUATING]


def read_progress(ledger: RunLedger, run_id: str) -> Progress:
    """Where the run is now."""
    run = ledger.load(run_id)
    if run.round is None:
        return Progress(None, run.phase, _PREPARED / 2 if run.phase is RunPhase.PREPARING else 0.0, run.phase in ENDED)
    current = ledger.load_round(run_id, run.round)
    share = _SHARE.get(current.phase, 0.0)
    if current.phase is RoundPhase.OPEN:
        settled = 1 - len(ledger.tally(run_id, run.round).unsettled) / len(current.cohort)
        share += settled * (_SHARE[RoundPhase.AGGREGATING] - share)
    return Progress(run.round, current.phase, _PREPARED + run.round + share, run.phase in ENDED)
