"""The parts of a plan about data: which photographs a run uses, and how many identities are public, clients and test."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, StrictFloat, StrictInt, model_validator

from fedface_core.domain.ids import MOST_CLIENTS
from fedface_core.domain.plan.part import MOST_PIXELS, PlanPart, PositiveInt, Seed

MOST_IDENTITIES: Final = 10_000_000
"""More than any data set of faces has; the largest that is published has four millions."""

IMAGES_OF_EACH: Final = {"orl": 10, "synthetic": 12}
"""Data set → the images of each identity, if the plan does not say how many."""
MOST_IMAGES: Final = 10_000
"""The most images of one client, if neither the data set nor the plan says how many there can be."""


class DataPlan(PlanPart):
    """Which photographs a run uses. Each worker opens them by their path; they are never sent."""

    dataset: Literal["orl", "synthetic", "folder", "recordio"] = Field(
        default="orl",
        description="`orl`: forty people, in the package. `synthetic`: faces that are rendered. `folder`: your photographs, "
        "a folder for each person. `recordio`: a packed set of InsightFace's.",
    )
    folder: str | None = Field(
        default=None,
        description="The path of the data: for `folder` a tree identity/image.{jpg,png,pgm,webp,heic,…}, for `recordio` the "
        "folder of train.rec. Not for other data sets.",
    )
    labels: str | None = Field(
        default=None,
        # Left out of the JSON, so that plans without labels keep their digests, and older services read them.
        exclude_if=lambda labels: labels is None,
        description="`folder`: the path of a file that says whose each photograph is, a line `path label` each, such as "
        "identity_CelebA.txt. The paths are below `folder`, at any depth. Without it each folder is an identity.",
    )
    skip_damaged: str | None = Field(
        default=None,
        exclude_if=lambda value: value is None,  # as with labels
        description="`folder`, `recordio`: the path of a list of damaged images to leave out, from `fedface data check`.",
    )
    images_per_identity: PositiveInt | None = Field(
        default=None, description="Use at most this many images of each identity; `synthetic` renders 12 by default."
    )
    images_per_client: PositiveInt | None = Field(
        default=None,
        description="A client uses at most this many of its identity's images; public and test identities use all.",
    )
    identities: Annotated[StrictInt, Field(gt=0, le=MOST_IDENTITIES)] | None = Field(
        default=None, description="`synthetic`: how many identities there are; by default as many as the split needs."
    )
    low_resolution: Annotated[StrictInt, Field(ge=4, le=MOST_PIXELS)] | None = Field(
        default=None, description="Reduce each image to this many pixels in height and enlarge it again."
    )
    misalignment: Annotated[StrictFloat, Field(gt=0, le=0.5)] | None = Field(
        default=None,
        description="Shift each photograph at random by up to this share of the frame's width, horizontally and vertically, "
        "scale it by up to 1 ± this, and rotate it by up to this angle in radians. Not for `synthetic`.",
    )
    seed: Seed = Field(default=0, description="The seed of the people that `synthetic` renders, and of the misalignment.")

    @property
    def most_images_of_a_client(self) -> int:
        """How many images a client can have. An update that says more is refused, since images are its weight."""
        known = IMAGES_OF_EACH.get(self.dataset)
        if self.dataset == "synthetic" and self.images_per_identity is not None:
            known = None  # so many are rendered
        bounds = [bound for bound in (self.images_per_client, self.images_per_identity, known) if bound is not None]
        return min(bounds, default=MOST_IMAGES)

    @model_validator(mode="after")
    def _has_folder_if_needed(self) -> Self:
        if (self.dataset in ("folder", "recordio")) != (self.folder is not None):
            raise ValueError("give `folder` (a path) with dataset 'folder' or 'recordio', and with no other data set")
        return self

    @model_validator(mode="after")
    def _skips_damaged_files_only(self) -> Self:
        if self.skip_damaged is not None and self.folder is None:
            raise ValueError(f"leave `skip_damaged` out with '{self.dataset}': it is for 'folder' and 'recordio'")
        return self

    @model_validator(mode="after")
    def _has_labels_of_a_folder_only(self) -> Self:
        if self.labels is not None and self.dataset != "folder":
            raise ValueError(f"`labels` is for dataset 'folder'; '{self.dataset}' says by itself whose its photographs are")
        return self

    @model_validator(mode="after")
    def _misaligns_photographs_only(self) -> Self:
        if self.dataset == "synthetic" and self.misalignment is not None:
            raise ValueError("leave `misalignment` out with 'synthetic': its faces are rendered shifted, turned and scaled")
        return self

    @model_validator(mode="after")
    def _counts_identities_of_synthetic_only(self) -> Self:
        if self.identities is not None and self.dataset != "synthetic":
            raise ValueError(f"`identities` is for dataset 'synthetic'; '{self.dataset}' has the people that it has")
        return self


class SplitPlan(PlanPart):
    """How many identities are public (for pre-training), clients, test and validation: disjoint sets, drawn by the seed."""

    public: Annotated[StrictInt, Field(ge=0, le=MOST_IDENTITIES)] = Field(default=0, description="Public identities.")
    clients: Annotated[StrictInt, Field(gt=0, le=MOST_CLIENTS)] = Field(
        default=20, description="Client identities: one a client."
    )
    test: Annotated[StrictInt, Field(ge=2, le=MOST_IDENTITIES)] = Field(default=20, description="Test identities.")
    validation: Annotated[StrictInt, Field(ge=0, le=MOST_IDENTITIES)] = Field(
        default=0,
        # Left out of the JSON, so that plans without it keep their digests, and older services read them.
        exclude_if=lambda validation: validation == 0,
        description="Identities on whom a study chooses settings, so that the test identities are scored only once; two at "
        "least, or none. A run leaves them alone.",
    )
    seed: Seed = Field(default=0, description="The seed that draws which identities these are.")

    @property
    def identities(self) -> int:
        """How many identities the split needs."""
        return self.public + self.clients + self.test + self.validation

    @model_validator(mode="after")
    def _validation_has_impostors(self) -> Self:
        if self.validation == 1:
            raise ValueError("validation is 1: of a single identity no impostor pair can be made; give 2 at least, or none")
        return self
