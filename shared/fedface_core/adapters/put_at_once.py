"""Puts many objects into a store, several at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from fedface_core.adapters.artifact_keys import check_key


def put_at_once(put: Callable[..., None], objects: Mapping[str, Sequence[bytes | memoryview]], most: int) -> None:
    """Call ``put`` with each key and its parts, in ``most`` threads. All keys are checked before the first put.

    The first error that a put raises ends this, too; puts that have not begun by then are left out.
    """
    for key in objects:
        check_key(key)
    with ThreadPoolExecutor(most, "put") as pool:
        # The first error ends the loop, which cancels the puts that have not begun.
        for _ in pool.map(lambda key: put(key, *objects[key]), objects):
            pass
