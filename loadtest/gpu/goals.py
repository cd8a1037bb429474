"""The goals for FedFace on one H100-class GPU, and whether they are met."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Literal

from pydantic import BaseModel, ConfigDict

from loadtest.bench.repetitions import Repeated

if TYPE_CHECKING:
    from loadtest.gpu.speeds import Speed

Outcome = Literal["met", "missed", "not measured"]


class Goal(BaseModel):
    """What is to be how many times as fast as what it is measured beside, at full size."""

    model_config = ConfigDict(frozen=True)

    what: str
    times_as_fast: float


TRAINING: Final = Goal(what="training, reference size, float32, beside the bare loop", times_as_fast=40)
TRAINING_TF32: Final = Goal(what="training, reference size, TF32, beside the bare loop", times_as_fast=80)
WIDE_TRAINING: Final = Goal(what="training, 12.6 million parameters, beside the bare loop", times_as_fast=4)
SIMULATED_ROUND: Final = Goal(what="a simulated round, beside the bare loop", times_as_fast=20)
STORE_ROUND: Final = Goal(what="a round through queue and store, beside the bare loop", times_as_fast=8)
BESIDE_PFL: Final = Goal(what="a simulated round, beside pfl-research", times_as_fast=10)
PRETRAINING: Final = Goal(what="pre-training of SphereNet-64, beside a bare mixed-precision loop", times_as_fast=0.8)
GOALS: Final = (TRAINING, TRAINING_TF32, WIDE_TRAINING, SIMULATED_ROUND, STORE_ROUND, BESIDE_PFL, PRETRAINING)


class Judgement(BaseModel):
    """A goal, what was found, and whether the median of that reaches it."""

    model_config = ConfigDict(frozen=True)

    goal: Goal
    found: Repeated | None
    """How many times as fast, repetition by repetition; None if it was not measured."""
    outcome: Outcome


def judge(speeds: Iterable[Speed]) -> list[Judgement]:
    """Each goal with the figures of the speed that names it. A goal that no speed names was not measured."""
    found = {speed.goal: speed.ratio for speed in speeds}
    return [_judged(goal, found.get(goal)) for goal in GOALS]


def _judged(goal: Goal, found: Repeated | None) -> Judgement:
    if found is None:
        return Judgement(goal=goal, found=None, outcome="not measured")
    return Judgement(goal=goal, found=found, outcome="met" if found.median >= goal.times_as_fast else "missed")
