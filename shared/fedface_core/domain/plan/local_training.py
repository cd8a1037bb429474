"""The part of a plan about local training: what a client does with its images, and its schedule from round to round."""

from __future__ import annotations

from math import cos, pi
from typing import Annotated, Literal, Self

from pydantic import Field, StrictFloat, model_validator

from fedface_core.domain.plan.augmentation import (
    FLIP,
    SHIFT,
    AugmentationPlan,
    PlainAugmentationPlan,
    StrongAugmentationPlan,
    is_plain,
    require_no_other,
    resolved,
)
from fedface_core.domain.plan.one_cycle import one_cycle_rate
from fedface_core.domain.plan.part import Count, Decay, Fraction, PlanPart, PositiveInt, Rate, Shift


class LocalTrainingPlan(PlanPart):
    """How a client trains: SGD with momentum on the loss of the plan's strategy."""

    steps: Count = Field(default=4, description="Gradient steps; 0 uploads the model unchanged.")
    batch_size: PositiveInt | None = Field(
        default=None, description="Images in one step; by default all images of the client."
    )
    learning_rate: Rate = Field(default=0.05, description="The learning rate of SGD, which the schedule changes.")
    momentum: Decay = Field(default=0.9, description="The momentum of SGD.")
    margin: Annotated[StrictFloat, Field(gt=0, le=1)] = Field(default=0.9, description="m in max(0, m − w·f(x))².")
    flip: bool = Field(default=False, description=FLIP)
    shift: Shift = Field(default=0, description=SHIFT)
    augmentation: AugmentationPlan = Field(
        default_factory=PlainAugmentationPlan,
        exclude_if=is_plain,
        description="How training images are changed at random: a name, or a name with its parameters. `plain` does what "
        "`flip` and `shift` say; `strong` has these among its own parameters.",
    )
    losses: Literal["measured", "seen"] = Field(
        default="measured",
        description="The losses that clients report. `measured`: over all images without augmentation, before and after the "
        "steps; each needs a forward pass of its own unless a step gives it. `seen`: the losses of the first and the last "
        "step, which cost nothing.",
    )
    vectorised_clients: PositiveInt = Field(
        default=1,
        description="How many clients a process trains at once, as one computation. This is faster for small networks, and "
        "on a GPU. It rounds differently: a client's update depends on this number, and not on who trains beside it.",
    )
    schedule: Literal["constant", "cosine", "linear", "one-cycle"] = Field(
        default="constant",
        description="How the learning rate changes from round to round. `one-cycle`: a linear rise over the first 30 % of "
        "the rounds, then half a cosine down to 0.",
    )
    final_learning_rate: Fraction | None = Field(
        default=None, description="The rate of the plan's last round, as a share of `learning_rate`."
    )
    final_steps: PositiveInt | None = Field(
        default=None,
        description="The steps of the plan's last round; they fall as the rate falls. By default the steps stay constant.",
    )
    warmup_rounds: Count = Field(
        default=0,
        description="How many rounds come before the schedule; in them the rate rises to `learning_rate` in equal parts.",
    )

    @model_validator(mode="after")
    def _final_values_belong_to_a_schedule(self) -> Self:
        if self.schedule == "one-cycle" and self.warmup_rounds:
            raise ValueError("schedule 'one-cycle' begins with a rise of its own: leave warmup_rounds out")
        if (self.schedule in ("constant", "one-cycle")) != (self.final_learning_rate is None):
            raise ValueError(
                "give final_learning_rate (a share of learning_rate) with schedule 'cosine' or 'linear', and with no other"
            )
        if self.final_steps is not None and (self.final_learning_rate is None or self.final_steps > self.steps):
            raise ValueError(
                f"final_steps is {self.final_steps}: it needs schedule 'cosine' or 'linear', and to be at most steps, "
                f"{self.steps}"
            )
        return self

    @model_validator(mode="after")
    def _moves_by_one_field(self) -> Self:
        require_no_other(self.augmentation, flip=self.flip, shift=self.shift != 0)
        return self

    @property
    def augmentations(self) -> StrongAugmentationPlan:
        """What is done to the images of a training step."""
        return resolved(self.augmentation, flip=self.flip, shift=self.shift)

    def reports_seen_losses(self, steps: int) -> bool:
        """Whether a client reports the losses of its ``steps`` gradient steps. Without a step it has to measure them."""
        return self.losses == "seen" and steps > 0

    def rate_share(self, number: int, rounds: int) -> float:
        """The learning rate of round ``number`` (1…``rounds``) as a share of `learning_rate`.

        The share rises to 1 in the first round after the warm-up, and falls from there to its final value in round
        ``rounds``. It stays there in later rounds, which come if rounds were retried. If the warm-up leaves one round,
        its share is 1. With one-cycle it is that of the middle of the round, so it is never 0.
        """
        if self.schedule == "one-cycle":
            return one_cycle_rate(1.0, (min(number, rounds) - 0.5) / rounds)
        if number <= self.warmup_rounds:
            return number / (self.warmup_rounds + 1)
        if self.final_learning_rate is None:
            return 1.0
        return self.final_learning_rate + (1 - self.final_learning_rate) * self._schedule_value(number, rounds)

    def steps_in(self, number: int, rounds: int) -> int:
        """How many gradient steps a client makes in round ``number`` (1…``rounds``)."""
        if self.final_steps is None:
            return self.steps
        return round(self.final_steps + (self.steps - self.final_steps) * self._schedule_value(number, rounds))

    def _schedule_value(self, number: int, rounds: int) -> float:
        """The schedule on a scale from 1, up to the first round after the warm-up, down to 0, from round ``rounds`` on."""
        first = self.warmup_rounds + 1
        progress = min(max((number - first) / max(rounds - first, 1), 0.0), 1.0)
        return (1 + cos(pi * progress)) / 2 if self.schedule == "cosine" else 1 - progress
