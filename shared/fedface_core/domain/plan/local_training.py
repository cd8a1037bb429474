"""What a client does with its images in a round, and how that changes from round to round."""

from __future__ import annotations

from math import cos, pi
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fedface_core.domain.plan.part import Fraction, PlanPart, PositiveInt


class LocalTrainingPlan(PlanPart):
    """SGD on the client: the positive squared hinge, w_c fixed."""

    steps: Annotated[int, Field(ge=0)] = Field(default=4, description="Gradient steps; 0 uploads the model unchanged.")
    batch_size: PositiveInt | None = Field(default=None, description="Images in a step; all of the client's by default.")
    learning_rate: Annotated[float, Field(gt=0)] = 0.05
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    margin: Annotated[float, Field(gt=0, le=1)] = Field(default=0.9, description="m in max(0, m − w·f(x))².")
    flip: bool = Field(default=False, description="Mirror each image, left to right, half of the time.")
    shift: Annotated[int, Field(ge=0)] = Field(
        default=0, description="Move each image at random by up to so many pixels, across and down, in each step."
    )
    losses: Literal["measured", "seen"] = Field(
        default="measured",
        description="The losses that clients report. `measured`: over all images as they are, before and after the steps, a "
        "forward pass each where no step gives it; `seen`: those of the first and the last step, which cost nothing.",
    )
    vectorised_clients: PositiveInt = Field(
        default=1,
        description="Clients that a simulation trains at once, as one computation: faster for small networks, and rounded "
        "otherwise. In one process only.",
    )
    schedule: Literal["constant", "cosine", "linear"] = Field(
        default="constant", description="How the learning rate goes down from round to round."
    )
    final_learning_rate: Fraction | None = Field(
        default=None, description="The rate of the plan's last round, as a share of `learning_rate`."
    )
    final_steps: PositiveInt | None = Field(
        default=None, description="The steps of the plan's last round; they go down as the rate does, and stay by default."
    )
    warmup_rounds: Annotated[int, Field(ge=0)] = Field(
        default=0, description="So many rounds, and then the schedule: the rate rises to `learning_rate` in equal parts."
    )

    @model_validator(mode="after")
    def _ends_where_it_moves(self) -> Self:
        if (self.schedule == "constant") != (self.final_learning_rate is None):
            raise ValueError(
                "give final_learning_rate (a share of learning_rate) with schedule 'cosine' or 'linear', and with no other"
            )
        if self.final_steps is not None and (self.schedule == "constant" or self.final_steps > self.steps):
            raise ValueError(
                f"final_steps is {self.final_steps}: it needs a schedule, and to be at most steps, {self.steps}"
            )
        return self

    def reports_seen_losses(self, steps: int) -> bool:
        """Whether the losses of ``steps`` gradient steps are reported. Without a step nothing was seen: it is measured."""
        return self.losses == "seen" and steps > 0

    def rate_share(self, number: int, rounds: int) -> float:
        """What the learning rate of round ``number`` (1…``rounds``) is, as a share of the plan's.

        It rises to 1 in the round after the warm-up, and falls from there to its last value in round ``rounds``, where it
        stays: rounds that were retried count, so there may be more. Where the warm-up leaves one round, that is at 1.
        """
        if number <= self.warmup_rounds:
            return number / (self.warmup_rounds + 1)
        if self.final_learning_rate is None:
            return 1.0
        return self.final_learning_rate + (1 - self.final_learning_rate) * self._above_the_end(number, rounds)

    def steps_in(self, number: int, rounds: int) -> int:
        """The gradient steps of round ``number`` (1…``rounds``)."""
        if self.final_steps is None:
            return self.steps
        return round(self.final_steps + (self.steps - self.final_steps) * self._above_the_end(number, rounds))

    def _above_the_end(self, number: int, rounds: int) -> float:
        """How far above its end the schedule is: 1 up to the first round after the warm-up, 0 from round ``rounds`` on."""
        first = self.warmup_rounds + 1
        done = min(max((number - first) / max(rounds - first, 1), 0.0), 1.0)
        return (1 + cos(pi * done)) / 2 if self.schedule == "cosine" else 1 - done
