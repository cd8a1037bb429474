"""Finds the image files that protocols name, as people have them on their disks.

Aligners write other formats than the published ones, suffixes are written in capitals, and macOS decomposes the letters of
names. So a name is looked up in the listing of its folder, which is read once: there may be half a million names in it.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.data.dataset import composed
from fedface_learning.data.image_files import IMAGE_SUFFIXES
from fedface_learning.evaluation.faces import FaceFile

_FACE_NUMBER = re.compile(r"_\d+$")


@dataclass(frozen=True)
class _Listing:
    """The names in one folder."""

    names: Mapping[str, str]
    """A name, composed → the name as the folder has it."""

    @classmethod
    def of(cls, folder: Path) -> _Listing:
        try:
            with os.scandir(folder) as entries:
                found = sorted(entry.name for entry in entries)
        except OSError as error:
            if error.errno == errno.ENOTDIR:
                return cls({})
            raise InvalidInputError(f"cannot list {folder}: {error.strerror}") from None
        # If a folder has both forms of one name, the composed one is taken, as the protocols write it.
        return cls({composed(name): name for name in found} | {name: name for name in found if composed(name) == name})

    @cached_property
    def by_stem(self) -> Mapping[str, list[str]]:
        """A stem, composed → the images with it, as the folder has them; of several suffixes the preferred comes first."""
        return _grouped((stem, name) for stem, name in self._images())

    @cached_property
    def by_numbered_stem(self) -> Mapping[str, list[str]]:
        """The stem of an image without the number of the face that an aligner added → the images, as the folder has them."""
        return _grouped((_FACE_NUMBER.sub("", stem), name) for stem, name in self._images() if _FACE_NUMBER.search(stem))

    def _images(self) -> list[tuple[str, str]]:
        split = [(*_split(name), name) for name in self.names]
        images = [(IMAGE_SUFFIXES.index(suffix), stem, name) for stem, suffix, name in split if suffix]
        return [(stem, self.names[name]) for _, stem, name in sorted(images)]


class ImageFiles:
    """The image files below a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._listings = dict[Path, _Listing]()

    def find(self, name: str, box: tuple[int, int, int, int] | None = None) -> FaceFile:
        """The file that a protocol calls ``name``, a path with ``/`` below the folder, with or without a suffix.

        It is the file of that name; else of that stem with a suffix of `IMAGE_SUFFIXES`, whatever their case; else, without
        a ``box``, of that stem, ``_`` and a number, which aligners add. Composed and decomposed letters are equal. The face
        is missing if there is no such file.

        `InvalidInputError` if an aligner has written several faces of the image, or a folder cannot be listed.
        """
        parts = [part for part in name.split("/") if part not in ("", ".")]
        folder = self._folder
        for part in parts[:-1]:
            found = self._listing(folder).names.get(composed(part))
            if found is None:
                break
            folder /= found
        else:
            file = self._file(folder, composed(parts[-1]), numbered=box is None) if parts else None
            if file is not None:
                return FaceFile(folder / file, box)
        suffix = "" if _split(name)[1] else IMAGE_SUFFIXES[0]
        return FaceFile(self._folder / f"{'/'.join(parts)}{suffix}", box, missing=True)

    def _file(self, folder: Path, name: str, *, numbered: bool) -> str | None:
        listing = self._listing(folder)
        if name in listing.names:
            return listing.names[name]
        stem, _ = _split(name)
        if stem in listing.by_stem:
            return listing.by_stem[stem][0]
        faces = listing.by_numbered_stem.get(stem, []) if numbered else []
        if len(faces) > 1:
            raise InvalidInputError(
                f"{folder} has {len(faces)} faces for {stem}: {', '.join(faces[:3])}; "
                "the protocol means one, so keep that one"
            )
        return faces[0] if faces else None

    def _listing(self, folder: Path) -> _Listing:
        if folder not in self._listings:
            self._listings[folder] = _Listing.of(folder)
        return self._listings[folder]


def _split(name: str) -> tuple[str, str]:
    """The name without its suffix, and the suffix in small letters; none if it is no suffix of an image."""
    stem, dot, suffix = name.rpartition(".")
    lowered = f"{dot}{suffix}".lower()
    return (stem, lowered) if stem and lowered in IMAGE_SUFFIXES else (name, "")


def _grouped(pairs: Iterable[tuple[str, str]]) -> Mapping[str, list[str]]:
    groups = dict[str, list[str]]()
    for key, name in pairs:
        groups.setdefault(key, []).append(name)
    return groups
