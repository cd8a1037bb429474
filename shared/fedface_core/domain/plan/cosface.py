"""Training with CosFace (Wang et al., CVPR 2018), with all images in one place."""

from __future__ import annotations

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
from fedface_core.domain.plan.part import LARGEST, Decay, PlanPart, PositiveInt, Rate, Shift


class CosFacePlan(PlanPart):
    """The settings of training with CosFace: epochs, optimiser, schedule, loss and augmentation."""

    epochs: PositiveInt = Field(default=30, description="How often each image is seen.")
    batch_size: PositiveInt = Field(default=64, description="Images in one step.")
    learning_rate: Rate = Field(default=0.1, description="The highest rate of the schedule.")
    momentum: Decay = Field(default=0.9, description="The momentum of SGD.")
    weight_decay: Annotated[StrictFloat, Field(ge=0, le=LARGEST)] = Field(
        default=5e-4, description="The weight decay of SGD."
    )
    schedule: Literal["one-cycle", "step"] = Field(
        default="one-cycle",
        description="one-cycle: a linear rise over the first 30 % of the steps, then half a cosine down to 0; "
        "step: a tenth after half of the steps, a hundredth after three quarters.",
    )
    scale: Rate = Field(default=30.0, description="s: the logits are s times the cosines.")
    margin: Decay = Field(default=0.35, description="m: subtracted from the cosine of the true class.")
    flip: bool = Field(default=True, description=FLIP)
    shift: Shift = Field(default=0, description=SHIFT)
    augmentation: AugmentationPlan = Field(
        default_factory=PlainAugmentationPlan,
        exclude_if=is_plain,
        description="How training images are changed at random: a name, or a name with its parameters. `plain` does what "
        "`flip` and `shift` say; `strong` has these among its own parameters.",
    )

    @model_validator(mode="after")
    def _moves_by_one_field(self) -> Self:
        require_no_other(self.augmentation, flip=not self.flip, shift=self.shift != 0)
        return self

    @property
    def augmentations(self) -> StrongAugmentationPlan:
        """What is done to the images of a training step."""
        return resolved(self.augmentation, flip=self.flip, shift=self.shift)
