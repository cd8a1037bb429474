"""The data set ``folder``: a tree identity/image.jpg, such as a user's own, or LFW; or any tree with a list of labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from fedface_core.domain.data_error import DataError, DataReason
from fedface_core.domain.plan import DataPlan
from fedface_learning.data.damaged import without_damaged
from fedface_learning.data.dataset import ImageSize, natural_sort_key
from fedface_learning.data.framing import Framing
from fedface_learning.data.label_list import join_labels, read_labels
from fedface_learning.data.photograph_roots import ANYWHERE, PhotographRoots
from fedface_learning.data.photograph_tree import Kinds, PassedOver, PhotographTree, in_natural_order, list_photographs
from fedface_learning.data.photographs import PhotographDataset

_LAYOUT: Final = "it needs one folder per person, each with at least two images (.jpg, .png, .webp, .heic, …)"

ONE_PHOTOGRAPH: Final = "people with one photograph"
NO_PHOTOGRAPH: Final = "folders without a photograph"


def open_folder(data: DataPlan, size: ImageSize, roots: PhotographRoots = ANYWHERE) -> PhotographDataset:
    """List the files of the tree at ``data.folder``; none is read yet. The middle of each photograph is used.

    Each folder in it is an identity; with ``data.labels``, the list in that file says whose each photograph is. An identity
    with one image is left out, because a genuine pair needs two; most identities of LFW have one. What is not used is
    counted in ``passed_over``. `DataError` if the folder is missing, is not below the
    ``roots`` or cannot be listed, the list of labels is
    wrong, or no identity has two images.
    """
    assert data.folder is not None, "the plan demands a path with 'folder'"
    root = roots.located(data.folder, DataReason.FOLDER_NOT_THERE)
    if not root.is_dir():
        raise DataError(f"data.folder: there is no folder {root}; {_LAYOUT}", DataReason.FOLDER_NOT_THERE)
    try:
        tree = list_photographs(root, roots=roots)
        if data.labels is None:
            people, passed_over = _people_by_folder(tree)
        else:
            people, passed_over = _people_by_label(tree, roots.located(data.labels, DataReason.LABELS_NOT_THERE), roots)
    except DataError as error:
        raise error.about("data.folder") from error
    people = without_damaged(people, data, roots)
    files = {
        person: tuple(root / path for path in paths[: data.images_per_identity])
        for person, paths in people.items()
        if len(paths) > 1
    }
    if not files:
        if data.labels is not None:
            raise DataError(
                f"data.labels: {data.labels} gives nobody two photographs, and a genuine pair needs two",
                DataReason.TOO_FEW_PHOTOGRAPHS,
            )
        found = "no folder with two images" if any(people.values()) else "no folders of images"
        raise DataError(f"data.folder: {root} holds {found}; {_LAYOUT}{_hint(tree)}", DataReason.TOO_FEW_PHOTOGRAPHS)
    return PhotographDataset("folder", files, Framing.of(data, size), passed_over, roots)


def _people_by_folder(tree: PhotographTree) -> tuple[Mapping[str, Sequence[str]], PassedOver]:
    """The photographs of each folder in the root, by the folder's name."""
    kinds = _kinds_of(tree)
    people: dict[str, list[str]] = {}
    for folder in sorted((folder for folder in tree.folders if folder and "/" not in folder), key=natural_sort_key):
        people[folder] = [f"{folder}/{name}" for name in tree.folders[folder]]
    for folder, names in tree.folders.items():
        if not folder:
            kinds.add("photographs in no person's folder", len(names))
        elif "/" in folder:
            kinds.add("photographs in folders within a person's", len(names))
    _count_people_left_out(people.values(), kinds)
    return people, kinds.bounded()


def _people_by_label(
    tree: PhotographTree, file: Path, roots: PhotographRoots
) -> tuple[Mapping[str, Sequence[str]], PassedOver]:
    """The photographs of each label in the list."""
    joined = join_labels(read_labels(file, roots=roots), tree.photographs, file)
    by_label: dict[str, list[str]] = {}
    for path in in_natural_order(joined.labels):
        by_label.setdefault(joined.labels[path], []).append(path)
    people = {label: by_label[label] for label in sorted(by_label, key=natural_sort_key)}
    kinds = _kinds_of(tree)
    kinds.add("photographs that the labels do not name", joined.unlisted)
    kinds.add("labels of photographs that are not there", joined.absent)
    _count_people_left_out(people.values(), kinds)
    return people, kinds.bounded()


def _hint(tree: PhotographTree) -> str:
    """Where the people may be instead: in the folder that holds most folders of two photographs, or in a list."""
    people = Counter(folder.rpartition("/")[0] for folder, names in tree.folders.items() if folder and len(names) > 1)
    if people:
        (elsewhere, _), *_ = people.most_common(1)
        return f". Did you mean the folder {tree.root / elsewhere}?"
    if len(tree.folders[""]) > 1:
        return ". There are photographs in the folder itself: a file that says whose each is can be given as data.labels"
    return ""


def _kinds_of(tree: PhotographTree) -> Kinds:
    kinds = Kinds()
    for kind, count in tree.passed_over.items():
        kinds.add(kind, count)
    return kinds


def _count_people_left_out(people: Iterable[Sequence[str]], kinds: Kinds) -> None:
    counts = [len(paths) for paths in people]
    kinds.add(ONE_PHOTOGRAPH, counts.count(1))
    kinds.add(NO_PHOTOGRAPH, counts.count(0))
