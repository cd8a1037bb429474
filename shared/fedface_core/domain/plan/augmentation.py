"""The augmentations that a plan may name: how training images are changed at random, anew in each step."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, StrictFloat, StrictInt

from fedface_core.domain.plan.part import ByName, PlanPart, Shift

MOST_REDUCTION: Final = 16
MOST_PASSES: Final = 16

Spread = Annotated[StrictFloat, Field(ge=0, lt=1)]
FLIP: Final = "Mirror each image left to right with probability ½."
SHIFT: Final = "Shift each image at random by up to this many pixels, horizontally and vertically."


class PlainAugmentationPlan(PlanPart):
    """Images are mirrored and shifted, as the fields `flip` and `shift` beside this one say."""

    name: Literal["plain"] = Field(default="plain", description="Which augmentation it is.")


class StrongAugmentationPlan(PlanPart):
    """By default, images are mirrored, shifted, of other contrast and brightness, and half of them are partly covered.

    What is done is done in the order of the fields. They replace `flip` and `shift` beside the augmentation.
    """

    name: Literal["strong"] = Field(description="Which augmentation it is.")
    flip: bool = Field(default=True, description=FLIP)
    shift: Shift = Field(default=3, description=SHIFT)
    contrast: Spread = Field(
        default=0.3,
        description="Multiply each image's differences from its mean by a factor from 1 − this to 1 + this.",
    )
    brightness: Spread = Field(default=0.25, description="Multiply each image by a factor from 1 − this to 1 + this.")
    gamma: Spread = Field(
        default=0.0,
        description="Raise or lower the middle tones: v becomes v/(v + k(1 − v)), from black 0 to white 1, with k from "
        "1 − this to 1 + this.",
    )
    reduction: Annotated[StrictInt, Field(ge=1, le=MOST_REDUCTION)] = Field(
        default=1,
        description="Reduce each image to one n-th of its height and width, n from 1 to this, and enlarge it again.",
    )
    blur: Annotated[StrictInt, Field(ge=0, le=MOST_PASSES)] = Field(
        default=0,
        description="Blur each image by up to so many passes of the filter (1, 2, 1)/4, horizontally and vertically.",
    )
    erased: Annotated[StrictFloat, Field(ge=0, le=1)] = Field(
        default=0.5, description="Cover a part of an image by a grey patch, with this probability."
    )
    erased_side: Annotated[StrictFloat, Field(gt=0, le=0.5)] = Field(
        default=1 / 3, description="The height and the width of the patch, as a share of those of the image."
    )

    @classmethod
    def only(cls, *, flip: bool, shift: int) -> Self:
        """The augmentation that does nothing but what ``flip`` and ``shift`` say."""
        return cls(name="strong", flip=flip, shift=shift, contrast=0, brightness=0, erased=0)

    @property
    def is_none(self) -> bool:
        """Whether every image stays as it is."""
        changes = (self.flip, self.shift, self.contrast, self.brightness, self.gamma, self.blur, self.erased)
        return not any(changes) and self.reduction == 1


AugmentationPlan = Annotated[PlainAugmentationPlan | StrongAugmentationPlan, Field(discriminator="name"), ByName]


def is_plain(augmentation: PlainAugmentationPlan | StrongAugmentationPlan) -> bool:
    """Whether it is the default. That is left out of the JSON, so that plans without an augmentation keep their digests."""
    return isinstance(augmentation, PlainAugmentationPlan)


def resolved(
    augmentation: PlainAugmentationPlan | StrongAugmentationPlan, *, flip: bool, shift: int
) -> StrongAugmentationPlan:
    """What is done to images, if ``flip`` and ``shift`` are the fields beside the augmentation."""
    if isinstance(augmentation, StrongAugmentationPlan):
        return augmentation
    return StrongAugmentationPlan.only(flip=flip, shift=shift)


def require_no_other(augmentation: PlainAugmentationPlan | StrongAugmentationPlan, **changed: bool) -> None:
    """`ValueError` if an augmentation that has fields of its own is beside a field that was ``changed``."""
    if not is_plain(augmentation) and any(changed.values()):
        field = next(name for name, is_changed in changed.items() if is_changed)
        raise ValueError(f"{field} is for augmentation 'plain': with another one leave it out, and set augmentation.{field}")
