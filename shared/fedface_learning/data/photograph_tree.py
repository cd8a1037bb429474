"""The one walker of trees of photographs, for the data set ``folder`` and for `fedface data prepare`.

It follows links to folders, as people link the identities that they want, but not in a circle. What is litter of operating
systems, or no image by its suffix, is passed over and counted.
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fedface_core.domain.data_error import DataError, DataReason
from fedface_learning.data.dataset import natural_sort_key
from fedface_learning.data.image_files import is_image_name, suffix_of
from fedface_learning.data.photograph_roots import ANYWHERE, PhotographRoots

MOST_LEVELS: Final = 16
"""How deep folders may lie within each other. Published sets have two or three levels."""
MOST_ENTRIES: Final = 50_000_000
"""How many files and folders a tree may have; the largest published set of faces has 42 million images."""

# What operating systems and storage devices leave: of macOS's archiver, Synology, QNAP, Windows and file systems.
_LITTER: Final = frozenset(
    {"__macosx", "@eadir", "#recycle", "@recycle", "$recycle.bin", "system volume information", "lost+found"}
    | {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}
)
_MOST_KINDS: Final = 30
_LONGEST_SUFFIX: Final = 12
_OTHERS: Final = "other files"

PassedOver = Mapping[str, int]
"""How many files and folders were passed over, by what they are, in words: ``{".txt": 3, "hidden": 1}``."""


@dataclass(frozen=True)
class PhotographTree:
    """The image files below a folder, by their suffixes; no file was opened."""

    root: Path
    folders: Mapping[str, Sequence[str]]
    """Each folder's path below the root, with ``/`` (empty for the root itself), and the names of its image files.

    The names are in natural order, folders in no particular one. Folders without an image are there too.
    """
    passed_over: PassedOver
    links: Sequence[Path]
    """The links to folders that were followed."""

    @property
    def photographs(self) -> Iterator[str]:
        """The path below the root of each image file."""
        for folder, names in self.folders.items():
            for name in names:
                yield f"{folder}/{name}" if folder else name


def list_photographs(root: Path, *, most_entries: int = MOST_ENTRIES, roots: PhotographRoots = ANYWHERE) -> PhotographTree:
    """List the tree of image files below ``root``, which must be a folder.

    `DataError` if a folder cannot be listed, a name is not in UTF-8, the tree is too deep or too large, or a link in it
    leads out of the ``roots``.
    """
    walk = _Walk(root, most_entries, roots)
    try:
        walk.visit(root, "", ())
    except OSError as error:
        raise DataError(f"{error.filename} cannot be listed: {error.strerror}", DataReason.TREE_UNUSABLE) from error
    return PhotographTree(root, walk.folders, walk.passed_over.bounded(), walk.links)


def in_natural_order(paths: Iterable[str]) -> list[str]:
    """Paths with ``/``, sorted by the natural order of each part."""
    return sorted(paths, key=lambda path: [natural_sort_key(part) for part in path.split("/")])


class Kinds:
    """Counts what is passed over, by its kind."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, kind: str, times: int = 1) -> None:
        """Count ``times`` more of a kind, which is a text of ours."""
        self._counts[kind] += times

    def add_file(self, name: str) -> None:
        """Count a file by its suffix, which strangers chose: one that is long or cannot be shown is of the kind "other"."""
        suffix = suffix_of(name)
        if not suffix:
            self.add("files without a suffix")
        elif len(suffix) > _LONGEST_SUFFIX or not suffix.isprintable():
            self.add(_OTHERS)
        else:
            self.add(suffix)

    def bounded(self) -> dict[str, int]:
        """The counts, the largest first; of more than a few dozen kinds the smallest ones are together."""
        ranked = sorted((+self._counts).items(), key=lambda item: (-item[1], item[0]))  # + leaves zeros out
        kept = dict(ranked[:_MOST_KINDS])
        rest = sum(count for _, count in ranked[_MOST_KINDS:])
        return kept | {_OTHERS: kept.get(_OTHERS, 0) + rest} if rest else kept


class _Walk:
    """The state of one walk through a tree."""

    def __init__(self, root: Path, most_entries: int, roots: PhotographRoots) -> None:
        self.folders: dict[str, list[str]] = {}
        self.links: list[Path] = []
        self.passed_over = Kinds()
        self._root = root
        self._entries_left = most_entries
        self._most_entries = most_entries
        self._roots = roots

    def visit(self, folder: Path, path: str, above: tuple[Path, ...]) -> None:
        """List a folder and those in it. ``above`` are the folders that it is in, the root first."""
        here = (*above, folder)
        if len(here) > MOST_LEVELS:
            raise DataError(
                f"{folder} lies more than {MOST_LEVELS} folders deep; give a folder further down", DataReason.TREE_UNUSABLE
            )
        images: list[str] = []
        inner: dict[str, bool] = {}
        with os.scandir(folder) as entries:
            for entry in entries:
                self._count_entry()
                self._sort_in(entry, images, inner)
        images.sort(key=natural_sort_key)
        self.folders[path] = images
        for name in sorted(inner, key=natural_sort_key):
            child = folder / name
            if inner[name]:
                if any(child.samefile(each) for each in here):
                    self.passed_over.add("links to a folder that they are in")
                    continue
                self.links.append(child)
            self.visit(child, f"{path}/{name}" if path else name, here)

    def _sort_in(self, entry: os.DirEntry[str], images: list[str], inner: dict[str, bool]) -> None:
        """Add an entry to the images, or to the inner folders with whether it is a link; or count it as passed over."""
        name = entry.name
        litter = name.lower() in _LITTER
        if name.startswith("."):
            self.passed_over.add("hidden files and folders")
        elif entry.is_symlink() and not self._roots.allow(Path(entry.path)):
            # Wherever it leads, whether there is something or not: the answer must not say which.
            raise DataError(f"the link {entry.path} leads out of {self._roots}", DataReason.LINK_LEADS_OUT)
        elif _is_link_in_a_circle(entry):
            self.passed_over.add("links to nothing")
        elif entry.is_dir():
            if litter:
                self.passed_over.add(f"{name}/")
            else:
                inner[name] = entry.is_symlink()
        elif litter:
            self.passed_over.add(name.strip())
        elif not is_image_name(name):
            self.passed_over.add_file(name)
        elif entry.is_file():
            images.append(name)
        else:
            self.passed_over.add("links to nothing" if entry.is_symlink() else "pipes and devices")

    def _count_entry(self) -> None:
        self._entries_left -= 1
        if self._entries_left < 0:
            raise DataError(
                f"{self._root} has more than {self._most_entries:,} files and folders; give one with fewer",
                DataReason.TREE_UNUSABLE,
            )


def _is_link_in_a_circle(entry: os.DirEntry[str]) -> bool:
    """Whether the entry is a link that leads to itself, so that the system cannot say what it is."""
    if not entry.is_symlink():
        return False
    try:
        entry.is_dir()
    except OSError as error:
        if error.errno == errno.ELOOP:
            return True
        raise
    return False
