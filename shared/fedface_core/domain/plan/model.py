"""The part of a plan about the model: which embedding network a run trains, its size, and its initial weights."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, StrictInt, StringConstraints, TypeAdapter, model_validator

from fedface_core.domain.plan.part import Pixels, PlanPart, at_most, default_depends, nothing_required

Architecture = Literal[
    "spherenet-4",
    "spherenet-10",
    "spherenet-20",
    "spherenet-36",
    "spherenet-64",
    "mobilefacenet",
    "dlib-resnet",
    "iresnet-18",
    "iresnet-34",
    "iresnet-50",
    "iresnet-100",
    "ir-50",
    "ir-101",
    "ir-152",
    "ir-se-50",
    "ir-se-101",
    "ir-se-152",
    "adaface-ir-18",
    "adaface-ir-34",
    "adaface-ir-50",
    "adaface-ir-101",
    "adaface-ir-se-50",
    "inception-resnet-v1",
]

# One pattern and not a union of types, so that a wrong value gives one error of one field.
Weights = Annotated[str, StringConstraints(pattern=r"^(random|published|[0-9a-f]{64})$")]

_IMPROVED_RESNET = {"height": 112, "width": 112, "channels": 3, "embedding_size": 512, "widths": (64, 128, 256, 512)}

_MOST_WIDTHS = 4
Width = Annotated[StrictInt, Field(gt=0, le=65_536)]

# The published shape of each family of architectures: the defaults if a plan only names the architecture.
_DEFAULT_SHAPES: dict[str, dict[str, Any]] = {
    "spherenet": {"height": 112, "width": 96, "channels": 3, "embedding_size": 512, "widths": (64, 128, 256, 512)},
    "mobilefacenet": {"height": 112, "width": 112, "channels": 3, "embedding_size": 128, "widths": (64, 128, 128)},
    "dlib": {"height": 150, "width": 150, "channels": 3, "embedding_size": 128, "widths": (32, 64, 128, 256)},
    "iresnet": _IMPROVED_RESNET,
    "ir": _IMPROVED_RESNET,
    "adaface": _IMPROVED_RESNET,
    "inception": {"height": 160, "width": 160, "channels": 3, "embedding_size": 512, "widths": (32,)},
}
_FOUR_STAGES = ("spherenet", "iresnet", "ir", "adaface")
_IMPROVED = ("iresnet", "ir", "adaface")
_WIDTH_STEP = 8  # With other widths, the gradients of such networks overran their memory in torch 2 on a CPU (oneDNN).
_LEAST_SQUEEZED = 16  # Squeeze-and-excitation divides each width by 16.
_LEAST_INCEPTION = 75  # From fewer pixels, the unpadded convolutions of stride 2 leave none.


class ModelPlan(PlanPart):
    """Which embedding network a run trains, its size, and its initial weights."""

    model_config = ConfigDict(json_schema_extra=nothing_required)

    architecture: Architecture = Field(default="dlib-resnet", description="The kind of network, and its depth.")
    height: Pixels = Field(description="Rows of an image; by default as the architecture was published.")
    width: Pixels = Field(description="Columns of an image; by default as the architecture was published.")
    channels: Annotated[Literal[1, 3], BeforeValidator(TypeAdapter(StrictInt).validate_python)] = Field(
        description="1 for grey, 3 for colour; by default as the architecture was published."
    )
    embedding_size: Width = Field(
        description="D: the numbers of an embedding; by default as the architecture was published."
    )
    widths: Annotated[tuple[Width, ...], at_most(_MOST_WIDTHS)] = Field(
        max_length=_MOST_WIDTHS,
        description="Channels of each stage; for inception-resnet-v1 of its first convolution, of which the others are "
        "multiples.",
    )
    weights: Weights = Field(
        default="random",
        json_schema_extra=default_depends,
        description="`random` (drawn by the seed), `published` (dlib-resnet only, and its default: the published "
        "weights), or the SHA-256 of a model in the artifact store.",
    )
    centring: bool = Field(
        default=False,
        json_schema_extra=default_depends,
        description="Subtract the clients' mean feature before normalising. Needed if the cosines of all faces are high "
        "without it, as dlib's are (about 0.86), which has it by default.",
    )

    @model_validator(mode="before")
    @classmethod
    def _with_published_shape(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        family = str(given.get("architecture", "dlib-resnet")).split("-")[0]
        # For an unknown architecture any shape will do: then the only error is the architecture, not the missing sizes.
        defaults = dict(_DEFAULT_SHAPES.get(family, _DEFAULT_SHAPES["spherenet"]))
        if family == "dlib":
            defaults |= {"weights": "published", "centring": True}
        return defaults | given

    @property
    def family(self) -> str:
        """The architecture without its depth, such as "spherenet"."""
        return self.architecture.split("-")[0]

    @model_validator(mode="after")
    def _shape_fits_architecture(self) -> Self:
        family = self.family
        if family == "dlib":
            fixed = _DEFAULT_SHAPES["dlib"]
            wrong = [name for name, value in fixed.items() if getattr(self, name) != value]
            if wrong:
                raise ValueError(f"dlib-resnet is fixed at {fixed}; leave out {', '.join(wrong)}")
        elif self.weights == "published":
            raise ValueError("only dlib-resnet has published weights; use 'random' or the SHA-256 of a stored model")
        if family in _FOUR_STAGES and len(self.widths) != 4:
            raise ValueError(f"{self.architecture} has four stages, so widths needs four numbers, not {len(self.widths)}")
        if family in _IMPROVED and any(width % _WIDTH_STEP for width in self.widths):
            raise ValueError(f"{self.architecture} takes widths that {_WIDTH_STEP} divides, not {list(self.widths)}")
        if "-se-" in self.architecture and min(self.widths) < _LEAST_SQUEEZED:
            raise ValueError(f"{self.architecture} takes widths of {_LEAST_SQUEEZED} or more, not {min(self.widths)}")
        if family == "mobilefacenet":
            if len(self.widths) != 3:
                raise ValueError(f"mobilefacenet takes three widths, not {len(self.widths)}")
            if self.height % 16 or self.width % 16:
                raise ValueError(f"mobilefacenet halves images four times, so 16 must divide {self.height}×{self.width}")
        if family == "inception":
            if len(self.widths) != 1 or self.widths[0] % (2 * _WIDTH_STEP):
                raise ValueError(f"{self.architecture} takes one width that 16 divides, not {list(self.widths)}")
            if min(self.height, self.width) < _LEAST_INCEPTION:
                raise ValueError(
                    f"{self.architecture} takes images from {_LEAST_INCEPTION}×{_LEAST_INCEPTION} pixels on, "
                    f"not {self.height}×{self.width}"
                )
        return self

    @property
    def stored_weights(self) -> str | None:
        """The SHA-256 of the stored model that the run starts from; None if its weights come from elsewhere."""
        return None if self.weights in ("random", "published") else self.weights
