"""Published evaluation protocols: reading their files, and computing their figures from embeddings.

A protocol is opened from its files, lists the faces to embed, and scores their embeddings. Only the resamples of confidence
intervals are drawn at random, with a fixed seed.
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
from fedface_learning.evaluation.pair_list import PairList

__all__ = ["EvaluationProtocol", "ProtocolName", "open_protocol"]

ProtocolName = Literal["lfw", "lfw-view-1", "insightface-bin", "pair-list", "ijb-a", "ijb-b", "ijb-c"]


class EvaluationProtocol(Protocol):
    """A protocol whose files have been read."""

    @property
    def faces(self) -> Sequence[Face]:
        """All faces to embed, each once, in a fixed order."""

    def score(self, faces: EmbeddedFaces, resamples: int) -> ProtocolResult:
        """The figures from the embeddings of the protocol's faces, in order. With 0 ``resamples`` there are no intervals."""


def open_protocol(
    name: ProtocolName,
    files: Path,
    images: Path | None,
    *,
    aligned: bool = False,
    skip_missing: bool = False,
    weigh_faces: bool = False,
) -> EvaluationProtocol:
    """Read a protocol's ``files``, a file or a folder as `docs/evaluation.md` says. No image is read yet.

    ``aligned`` is for IJB-A only: ``images`` then has one file with an aligned face for each face. With ``skip_missing``
    templates of IJB-B and IJB-C without images have failed to enrol, and with ``weigh_faces`` their faces count by the
    detector's scores. `InvalidInputError` if a file is missing or malformed;
    it names the file and the line.
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
        case "pair-list":
            return PairList.open(files, images)
        case "ijb-a":
            return IjbA.open(files, images, aligned=aligned)
        case "ijb-b" | "ijb-c":
            return IjbBC.open(name, files, images, skip_missing=skip_missing, weigh_faces=weigh_faces)
