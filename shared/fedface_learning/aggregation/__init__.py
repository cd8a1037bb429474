"""What the aggregator computes of a round: partials of its shards, and the next model version of them.

`partial.py` says what a partial is; `PARTIALS` has the one of each kind of round. `reduce.py` makes the end of the round of
the partials: it merges them, averages, lets the strategy finish, and encodes what came out.
"""

from __future__ import annotations

from fedface_core.domain.round_kind import RoundKind
from fedface_learning.aggregation.enrolment_partial import EnrolmentPartial
from fedface_learning.aggregation.partial import Averaged, Partial, StartingPoint
from fedface_learning.aggregation.training_partial import TrainingPartial

__all__ = ["PARTIALS", "Averaged", "EnrolmentPartial", "Partial", "StartingPoint", "TrainingPartial"]

PARTIALS: dict[RoundKind, type[Partial]] = {
    RoundKind.ENROLMENT: EnrolmentPartial,
    RoundKind.TRAINING: TrainingPartial,
}
"""What the updates of a shard are folded into, by the kind of the round."""
