"""Root is forbidden nothing, and tests may run as root: this lets them see what others are forbidden."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

Result = TypeVar("Result")

_VERSION: Final = 0x20080522
"""Of the form in which Linux takes capabilities: two words for each set."""
_PASSES_OVER_MODES: Final = 1 << 1 | 1 << 2
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: to read, write and search whatever the modes of files say."""


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Word(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def bound_by_modes(action: Callable[[], Result]) -> Result:
    """Do something in a thread that the modes of files bind, also if the files are root's, and root runs the tests.

    Root's right to pass over modes is two capabilities, which a thread can lay down for the rest of its life. The files of
    the test stay its own, as they would not for another user.
    """
    with ThreadPoolExecutor(1, initializer=_lay_down_rights) as pool:
        return pool.submit(action).result()


def _lay_down_rights() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    header = _Header(_VERSION, 0)
    words = (_Word * 2)()
    for call in (libc.capget, libc.capset):
        if call(ctypes.byref(header), words) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        words[0].effective &= ~_PASSES_OVER_MODES
        words[0].permitted &= ~_PASSES_OVER_MODES
