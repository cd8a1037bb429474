"""A secret in a file, as Docker and Kubernetes give secrets, and files that only their owner can read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from fedface_core.domain.errors import InvalidInputError
from fedface_core.files.bounded_file import read_bytes

MAX_SECRET_BYTES: Final = 4096
"""Of one secret. A Redis URL with a long password has some hundred."""


def secret_in(path: str, variable: str) -> str:
    """The secret in a file, which the environment variable names. One line end at its end is no part of it.

    `InvalidInputError`, which names the variable and quotes no secret, if the file cannot be read, is empty, is no text or
    has more than `MAX_SECRET_BYTES`.
    """
    file = Path(path)
    if not path or not file.is_file():  # a pipe would be waited for
        raise InvalidInputError(f"{variable} is {path!r:.300}: give the path of a file with the secret in it")
    try:
        data = read_bytes(file, MAX_SECRET_BYTES)
        text = data.decode()
    except InvalidInputError as error:
        raise InvalidInputError(f"{variable}: {error}") from None
    except UnicodeDecodeError:
        raise InvalidInputError(f"{variable}: {path} is not text of UTF-8") from None
    secret = text.removesuffix("\n").removesuffix("\r")
    if not secret:
        raise InvalidInputError(f"{variable}: {path} is empty: write the secret into it")
    return secret


@contextmanager
def private_files() -> Iterator[None]:
    """New files and folders of the block are for their owner only, from their first moment on."""
    mask = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(mask)
