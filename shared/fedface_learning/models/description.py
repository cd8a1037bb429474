"""What a model file may say about itself: which network it is, and where its weights come from.

Model versions of runs say nothing: their run's plan does. The file of imported weights has no plan, so its metadata names
the network and its size, and what the weights were made from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.ids import Sha256
from fedface_core.domain.plan import ModelPlan

_KEY: Final = "imported"
_SIZES: Final = ("architecture", "height", "width", "channels", "embedding_size", "widths")


class ModelDescription(BaseModel):
    """The network of a file of imported weights, and their origin."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: ModelPlan
    """The network and its size, with weights ``random``: a file does not name its own SHA-256."""
    layout: str = Field(max_length=200)
    """Whose published weights they are, such as ``InsightFace's iresnet-50``."""
    source: str = Field(max_length=255)
    """The name of the file that they were read from, without its folder."""
    source_sha256: Sha256
    channel_order: Literal["rgb", "bgr"]
    """What the authors feed the network. It is folded into the first convolution: the model itself takes RGB."""
    pixel_mean: float = Field(allow_inf_nan=False)
    pixel_scale: float = Field(allow_inf_nan=False)

    def metadata(self) -> dict[str, Any]:
        """The metadata of a model file that has this description."""
        return {_KEY: self.model_dump(mode="json")}

    def check_network(self, plan: ModelPlan, source: str) -> None:
        """Raise `InvalidInputError` unless ``plan`` has this network at this size; the message calls the file ``source``."""
        differing = [name for name in _SIZES if getattr(plan, name) != getattr(self.model, name)]
        if differing:
            said = ", ".join(f"{name} {_in_words(getattr(self.model, name))}" for name in differing)
            asked = ", ".join(f"{name} {_in_words(getattr(plan, name))}" for name in differing)
            raise InvalidInputError(f"{source} has {said}, as it says itself ({self.layout}), not {asked}")


def description_in(metadata: Mapping[str, Any], source: str) -> ModelDescription | None:
    """The description in the metadata of a model file; None if there is none.

    `InvalidInputError` if it cannot be understood, such as that of a network which this version does not know; the message
    calls the file ``source``.
    """
    given = metadata.get(_KEY)
    if given is None:
        return None
    try:
        return ModelDescription.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InvalidInputError(
            f"{source} describes a network that this version does not know: {field}: {first['msg']}"
        ) from None


def _in_words(value: object) -> str:
    return "×".join(map(str, value)) if isinstance(value, tuple) else str(value)
