"""Published evaluation protocols: their files parsed, and their figures from embeddings.

A protocol is opened from its files, names the faces to embed, and scores their embeddings. Nothing here trains or draws, but
for the resamples of confidence intervals, which have a seed of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.evaluation.faces import EmbeddedFaces, Face
from fedface_learning.evaluation.figures import ProtocolResult
from fedface_learning.evaluation.ijb_a import IjbA
from fedface_learning.evaluation.ijb_bc import IjbBC
from fedface_learning.evaluation.insightface import PackedPairs
from fedface_learning.evaluation.lfw import LfwView1, LfwView2

__all__ = ["EvaluationProtocol", "ProtocolName", "open_protocol"]

ProtocolName = Literal["lfw", "lfw-view-1", "insightface-bin", "ijb-a", "ijb-b", "ijb-c"]


class EvaluationProtocol(Protocol):
    """A protocol whose files have been read."""

    @property
    def faces(self) -> Sequence[Face]:
        """Every face to embed, once, in an order that does not change."""

    def score(self, faces: EmbeddedFaces, resamples: int) -> ProtocolResult:
        """The figures, from the embeddings of ``faces`` in their order; ``resamples`` of 0 leaves intervals out."""


def open_protocol(name: ProtocolName, files: Path, images: Path | None, *, aligned: bool = False) -> EvaluationProtocol:
    """Read the protocol's ``files``: a file or a folder, as `docs/evaluation.md` says; no image is read yet.

    ``aligned`` is for IJB-A: ``images`` has one aligned face a file. `InvalidInputError` names the file and line at fault.
    """
    if name == "insightface-bin":
        if images is not None:
            raise InvalidInputError("a .bin set holds its images: leave out the folder of images")
        return PackedPairs.open(files)
    if images is None:
        raise InvalidInputError(f"protocol '{name}' needs the folder of its images")
    if not images.is_dir():
        raise InvalidInputError(f"there is no folder of images {images}")
    match name:
        case "lfw":
            return LfwView2.open(files, images)
        case "lfw-view-1":
            return LfwView1.open(files, images)
        case "ijb-a":
            return IjbA.open(files, images, aligned=aligned)
        case "ijb-b" | "ijb-c":
            return IjbBC.open(name, files, images)
