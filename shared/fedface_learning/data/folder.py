"""The data set ``folder``: any tree identity/image.{jpg,jpeg,png,pgm}, such as a user's own, or LFW."""

from __future__ import annotations

from pathlib import Path

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import DataPlan
from fedface_learning.data.damaged import without_damaged
from fedface_learning.data.dataset import ImageSize, natural_sort_key
from fedface_learning.data.framing import Framing
from fedface_learning.data.photographs import PhotographDataset

_SUFFIXES = {".jpg", ".jpeg", ".png", ".pgm"}
_LAYOUT = "it needs one folder per person, each with at least two .jpg, .jpeg, .png or .pgm images"


def open_folder(data: DataPlan, size: ImageSize) -> PhotographDataset:
    """List the files of the tree at ``data.folder``; none is read yet. The middle of each photograph is used.

    An identity with one image is left out, because a genuine pair needs two; most identities of LFW have one.
    `InvalidInputError` if the folder is missing or cannot be listed, an identity has no image, or no identity has two.
    """
    assert data.folder is not None, "the plan demands a path with 'folder'"
    root = Path(data.folder).expanduser()
    if not root.is_dir():
        raise InvalidInputError(f"data.folder: there is no folder {root}; {_LAYOUT}")
    try:
        people = sorted(
            (entry for entry in root.iterdir() if _is_identity(entry)), key=lambda entry: natural_sort_key(entry.name)
        )
        images = {person.name: _image_files(person) for person in people}
    except OSError as error:
        raise InvalidInputError(f"data.folder: {error.filename} cannot be listed: {error.strerror}") from error
    images = without_damaged(images, root, data)
    files = {person: found[: data.images_per_identity] for person, found in images.items() if len(found) > 1}
    if not files:
        found = "no folder with two images" if images else "no folders of images"
        raise InvalidInputError(f"data.folder: {root} holds {found}; {_LAYOUT}")
    return PhotographDataset("folder", files, Framing.of(data, size))


def _is_identity(entry: Path) -> bool:
    return entry.is_dir() and not entry.name.startswith(".")


def _image_files(person: Path) -> tuple[Path, ...]:
    """The image files of one identity, without hidden files, which may be thumbnails of a file manager."""
    images = [file for file in person.iterdir() if file.suffix.lower() in _SUFFIXES and not file.name.startswith(".")]
    if not images:
        raise InvalidInputError(
            f"data.folder: {person} has no image, but a genuine pair needs two: add .jpg, .jpeg, .png or .pgm images, "
            "or remove the folder"
        )
    return tuple(sorted(images, key=lambda image: natural_sort_key(image.name)))
