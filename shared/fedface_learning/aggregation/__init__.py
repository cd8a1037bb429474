"""What the aggregator computes in a round: a partial of each shard, and the next model version from all partials.

`partial.py` says what a partial is, and `PARTIALS` gives the class for each kind of round. `reduce.py` merges the partials,
averages, lets the strategy finish the round, and encodes the result.
"""

from __future__ import annotations

from fedface_core.domain.round_kind import RoundKind
from fedface_learning.aggregation.enrolment_partial import EnrolmentPartial
from fedface_learning.aggregation.partial import AveragedRound, Partial, StartingPoint
from fedface_learning.aggregation.training_partial import TrainingPartial

__all__ = ["PARTIALS", "AveragedRound", "EnrolmentPartial", "Partial", "StartingPoint", "TrainingPartial"]

PARTIALS: dict[RoundKind, type[Partial]] = {
    RoundKind.ENROLMENT: EnrolmentPartial,
    RoundKind.TRAINING: TrainingPartial,
}
"""Kind of round → the class into which the updates of a shard are folded."""
