"""Names of files that are equal or nearly equal for a person: the same letters in two forms of Unicode, a small mistake."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path

from fedface_learning.data.dataset import composed

_MOST_COMPARED = 20_000  # names of a folder that one missing name is compared with; a name takes some microseconds
_MOST_FOLDERS = 200  # folders below a folder in which a missing name is looked for
_NEAR = 0.8  # the similarity of two names from which one may be meant by the other


def near_file(missing: Path) -> Path | None:
    """What a person may have meant by a path that does not exist: an existing path with nearly its name, or one deeper.

    Names with other numbers are other images and are not meant. None if nothing is near, or a folder cannot be listed.
    """
    wanted = missing
    while not wanted.parent.is_dir():
        if wanted.parent == wanted:
            return None
        wanted = wanted.parent
    try:
        names = sorted(file.name for file in wanted.parent.iterdir())
    except OSError:
        return None
    below = (wanted.parent / name / wanted.name for name in names[:_MOST_FOLDERS])
    deeper = next((path for path in below if path.exists()), None)
    if deeper is not None or len(names) > _MOST_COMPARED:
        return deeper
    alike = {_plain(name): name for name in names if _numbers(name) == _numbers(wanted.name)}
    near = get_close_matches(_plain(wanted.name), alike, n=1, cutoff=_NEAR)
    return wanted.parent / alike[near[0]] if near else None


def _plain(name: str) -> str:
    return composed(name).casefold()


def _numbers(name: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"[0-9]{1,18}", name)]
