"""The images that a protocol names, and their embeddings. N images, D dimensions."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.data.framing import Framing
from fedface_learning.data.photographs import open_photograph, read_photograph
from fedface_learning.data.reading import Pixels
from fedface_learning.device import indices_on, moved
from fedface_learning.evaluation.near_names import near_file
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.models.embedding import raw_features, suitable_batch_size, unit_embeddings
from fedface_learning.processes import in_order, worth_starting

DECODED_AT_ONCE = 32
"""Images that a process decodes before it hands them on; a batch has one or several times as many."""
_MOST_NAMED = 3  # missing images that a message names


@dataclass(frozen=True)
class FaceFile:
    """An image file, or a face within it: ``box`` is left, top, right and bottom in pixels."""

    path: Path
    box: tuple[int, int, int, int] | None = None
    missing: bool = False
    """Whether the file does not exist. It is known from the listing of its folder: a look at each file would take longer."""

    def __str__(self) -> str:
        """The file's name in error messages."""
        return str(self.path)

    def photograph(self) -> Image.Image:
        """Read the image, cut to the box. `InvalidInputError`, which names the file, if it cannot be used."""
        image = read_photograph(self.path)
        if self.box is None:
            return image
        left, top, right, bottom = self.box
        within = (max(0, left), max(0, top), min(image.width, right), min(image.height, bottom))
        if within[0] >= within[2] or within[1] >= within[3]:
            raise InvalidInputError(
                f"{self.path} is {image.width}×{image.height} pixels, but the protocol has a face in it at {left}, {top}, "
                f"{right - left} wide and {bottom - top} high: is it the published image?"
            )
        return image.crop(within)


@dataclass(frozen=True)
class EncodedFace:
    """An image as the bytes of its file. It is never missing."""

    name: str
    data: bytes

    missing = False

    def __str__(self) -> str:
        """The image's name in error messages."""
        return self.name

    def photograph(self) -> Image.Image:
        """Decode the image. `InvalidInputError`, which names the image, if it cannot be used."""
        return open_photograph(BytesIO(self.data), self.name)


Face = FaceFile | EncodedFace


@dataclass(frozen=True)
class EmbeddedFaces:
    """The embeddings of N faces or templates."""

    embeddings_ND: Tensor
    """Of unit length (N, D), float32, on the device that scores are computed on; zero for those that failed to enrol."""
    enrolled_N: npt.NDArray[np.bool_]
    """Which of them have an embedding (N,)."""
    weight_N: npt.NDArray[np.float64] | None = None
    """How much each face counts among those of its template (N,); None if all count alike."""

    def weighed(self, weight_N: npt.NDArray[np.float64]) -> Self:
        """The faces with these factors (N,) on their weights."""
        return replace(self, weight_N=weight_N if self.weight_N is None else self.weight_N * weight_N)


def embed_faces(
    network: EmbeddingNetwork,
    faces: Sequence[Face],
    framing: Framing,
    *,
    flip: bool = False,
    skip_missing: bool = False,
    weigh_by_length: bool = False,
    workers: int = 1,
    on_progress: Callable[[int], None] | None = None,
) -> EmbeddedFaces:
    """Embed each image, framed by ``framing``, on the network's device. The network stays in evaluation mode.

    The images are decoded by up to so many ``workers``: processes, or with 1 this process itself.
    ``flip`` adds the features of the mirrored image before normalising, as InsightFace does. With ``weigh_by_length`` a face
    has the length of its features, less the centre, as its weight. With ``skip_missing``, missing files have no embedding.
    `InvalidInputError` if files are missing, and without ``skip_missing`` or if all are missing; and if an image cannot be
    used or its features are not finite. ``on_progress`` is called with the number of images that are done.
    """
    enrolled_N = np.array([not face.missing for face in faces], dtype=np.bool_)
    missing = [face for face, enrolled in zip(faces, enrolled_N, strict=True) if not enrolled]
    if missing and (not skip_missing or len(missing) == len(faces)):
        raise InvalidInputError(_missing_message(missing, len(faces)))
    device = network.device
    present = np.flatnonzero(enrolled_N)
    there = [face for face in faces if not face.missing]
    embeddings_ND = torch.zeros(len(faces), network.plan.embedding_size, device=device)
    lengths_N = np.zeros(len(faces))
    size = suitable_batch_size(device)
    with closing(_decoded(there, framing, workers)) as decoded:
        for first in range(0, len(present), size):
            batch = present[first : first + size]
            parts = [torch.from_numpy(part) for part in islice(decoded, -(-len(batch) // DECODED_AT_ONCE))]
            centred_ND = _centred_features(network, moved(torch.cat(parts), device), flip)
            embeddings_ND[indices_on(device, batch)] = unit_embeddings(centred_ND)
            lengths_N[batch] = torch.linalg.vector_norm(centred_ND.double(), dim=1).cpu().numpy()
            if on_progress is not None:
                on_progress(first + len(batch))
    return EmbeddedFaces(embeddings_ND, enrolled_N, lengths_N if weigh_by_length else None)


def _decoded(faces: Sequence[Face], framing: Framing, workers: int) -> Generator[Pixels, None, None]:
    """The images in order, in arrays (N, C, H, W), uint8, of `DECODED_AT_ONCE` each; of what is left in the last one."""
    parts = (faces[first : first + DECODED_AT_ONCE] for first in range(0, len(faces), DECODED_AT_ONCE))
    return in_order(_Decoder(framing), parts, worth_starting(workers, len(faces)))


@dataclass(frozen=True)
class _Decoder:
    """Decodes some images. They are an array, since a tensor would go between processes by a file of its own."""

    framing: Framing

    def __call__(self, faces: Sequence[Face]) -> Pixels:
        return torch.stack([self.framing.frame(face.photograph()) for face in faces]).numpy()


def _centred_features(network: EmbeddingNetwork, images_NCHW: Tensor, flip: bool) -> Tensor:
    centred_ND = raw_features(network, images_NCHW, len(images_NCHW)) - network.centre
    if flip:
        centred_ND = centred_ND + raw_features(network, images_NCHW.flip(3), len(images_NCHW)) - network.centre
    return centred_ND


def _missing_message(missing: Sequence[Face], images: int) -> str:
    named = missing[:_MOST_NAMED]
    first = ", ".join(str(face) for face in named)
    near = next((near for face in named if isinstance(face, FaceFile) and (near := near_file(face.path))), None)
    hint = f" (did you mean {near}?)" if near else ""
    more = f" and {len(missing) - _MOST_NAMED:,} more" if len(missing) > _MOST_NAMED else ""
    are = "is" if len(missing) == 1 else "are"
    advice = "give another folder of images" if len(missing) == images else "add them, or count them as failures to enrol"
    return f"{len(missing):,} of the {images:,} images that the protocol names {are} missing: {first}{more}{hint}; {advice}"
