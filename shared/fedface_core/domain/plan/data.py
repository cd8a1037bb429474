"""Which photographs a run uses, and how their identities are split into public, client and test identities."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fedface_core.domain.ids import MOST_CLIENTS
from fedface_core.domain.plan.part import PlanPart, PositiveInt


class DataPlan(PlanPart):
    """Which photographs. Each client worker opens them by name; they never travel."""

    dataset: Literal["orl", "synthetic", "folder", "recordio"] = "orl"
    folder: str | None = Field(
        default=None,
        description="For `folder` the tree identity/image.{jpg,png,pgm}, for `recordio` where train.rec and train.idx are; "
        "for these only.",
    )
    images_per_identity: PositiveInt | None = Field(
        default=None, description="Use at most this many images of each identity; `synthetic` renders 12 by default."
    )
    images_per_client: PositiveInt | None = Field(
        default=None, description="Of those, a client holds at most this many; public and test identities keep all."
    )
    identities: PositiveInt | None = Field(
        default=None, description="`synthetic`: how many people there are; as many as the split needs by default."
    )
    low_resolution: Annotated[int, Field(ge=4)] | None = Field(
        default=None, description="Reduce each image to this many pixels in height and enlarge it again."
    )
    misalignment: Annotated[float, Field(gt=0, le=0.5)] | None = Field(
        default=None,
        description="Move each photograph at random by up to this share of the frame's width, across and down, scale it by "
        "up to 1 ± this, and turn it by up to this in radians. Not for `synthetic`.",
    )
    seed: Annotated[int, Field(ge=0)] = Field(
        default=0, description="`synthetic` renders other people for other seeds; misalignment moves photographs otherwise."
    )

    @model_validator(mode="after")
    def _folder_where_needed(self) -> Self:
        if (self.dataset in ("folder", "recordio")) != (self.folder is not None):
            raise ValueError("give `folder` (a path) with dataset 'folder' or 'recordio', and with no other data set")
        return self

    @model_validator(mode="after")
    def _only_photographs_are_misaligned(self) -> Self:
        if self.dataset == "synthetic" and self.misalignment is not None:
            raise ValueError("leave `misalignment` out with 'synthetic': its faces are rendered shifted, turned and scaled")
        return self

    @model_validator(mode="after")
    def _only_synthetic_people_are_made_to_number(self) -> Self:
        if self.identities is not None and self.dataset != "synthetic":
            raise ValueError(f"`identities` is for dataset 'synthetic'; '{self.dataset}' has the people that it has")
        return self


class SplitPlan(PlanPart):
    """How many identities are public (pre-training), clients and test. Disjoint, drawn by the seed."""

    public: Annotated[int, Field(ge=0)] = 0
    clients: Annotated[int, Field(gt=0, le=MOST_CLIENTS)] = 20
    test: Annotated[int, Field(ge=2)] = 20
    seed: Annotated[int, Field(ge=0)] = 0

    @property
    def identities(self) -> int:
        """How many identities the split needs."""
        return self.public + self.clients + self.test
