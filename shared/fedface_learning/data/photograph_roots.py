"""The folders below which a process reads what a plan names: photographs, and lists about them.

A plan comes from far away, and names any path of the machine. Whoever writes plans must not learn from the answers what
the machine has. So a path outside of the roots is not even looked at, one inside may not lead out through a link, and the
public reason is the same whether something is missing or forbidden.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from fedface_core.domain.data_error import DataError, DataReason
from fedface_core.files.regular_file import open_regular


@dataclass(frozen=True)
class PhotographRoots:
    """Folders that may be read, with all that is below them. None is for a user's own command, which may read anything."""

    folders: tuple[Path, ...] | None

    @classmethod
    def of(cls, folders: Iterable[Path]) -> Self:
        """The roots ``folders``, which need not be there yet. No folder at all allows nothing."""
        return cls(tuple(_absolute(folder) for folder in folders))

    def located(self, named: str, missing: DataReason) -> Path:
        """The path that a plan names, absolute and below the roots. `DataError` if it is not below them.

        Its reason is ``missing``, that of a path with nothing there. For a path that is outside by its name, nothing of the
        file system is looked at.
        """
        path = Path(os.path.expanduser(named))  # noqa: PTH111 - Path's own raises an error for a user that is not there
        if self.folders is None:
            return path
        try:
            below = self._is_below(_absolute(path)) and self.allow(path)
        except ValueError:  # a NUL, or half a surrogate pair
            below = False
        if not below:
            raise DataError(f"{path} is not below {self}", missing)
        return _absolute(path)

    def allow(self, path: Path) -> bool:
        """Whether the path, with all links followed, is below the roots. It need not be there."""
        return self.folders is None or self._is_below(Path(os.path.realpath(path)))

    def open(self, path: Path, *, buffering: int = -1) -> BinaryIO:
        """Open a regular file below the roots as `open_regular` does; what is opened is what was found to be below them.

        `DataError` if it is not below the roots; `OSError` if it cannot be opened, or is no regular file.
        """
        if self.folders is None:
            return open_regular(path, buffering=buffering)
        real = Path(os.path.realpath(path))
        if not self._is_below(real):
            raise DataError(f"{path} leads to {real}, which is not below {self}", DataReason.LINK_LEADS_OUT)
        return open_regular(real, buffering=buffering)

    def _is_below(self, path: Path) -> bool:
        """Whether an absolute path without ``..`` is a root or below one; a root may itself be reached through links."""
        roots = self.folders or ()
        return any(path.is_relative_to(root) or path.is_relative_to(os.path.realpath(root)) for root in roots)

    def __str__(self) -> str:
        """The roots as a message names them."""
        if not self.folders:
            return "FEDFACE_PHOTOGRAPH_ROOTS, which names no folder"
        return f"{', '.join(map(str, self.folders))} (FEDFACE_PHOTOGRAPH_ROOTS)"


def _absolute(path: Path) -> Path:
    """The absolute path without ``..``, by its text alone."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - `resolve` would look at the file system


ANYWHERE = PhotographRoots(None)
"""For commands that a user runs on the user's own files."""
NOWHERE = PhotographRoots(())
"""For a service to which nobody has given a folder."""
