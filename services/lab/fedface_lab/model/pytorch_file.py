"""Reads the tensors of PyTorch files, of which no code is run and no more memory is taken than the file has bytes."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from fedface_core.domain.errors import InvalidInputError
from fedface_core.files.file_kind import FileKind
from fedface_lab.model.memory_limit import memory_limit
from fedface_lab.model.tensor_set import TensorSet

_SLACK_BYTES: Final = 2**29  # for the unpickler's own objects and what torch loads when it is first used
_DEEPEST: Final = 4  # {"model": {"backbone": {"state_dict": …}}} is as deep as people go
_MOST_SETS: Final = 100
_FORBIDDEN: Final = re.compile(
    r"(?:Unsupported global: GLOBAL|Unsupported class|Can only build Tensor.*got|GLOBAL) ([\w.]+)"
)
_UNPICKLER: Final = re.compile(r"WeightsUnpickler error: ([^\n]+)")


def read_pytorch(path: Path, kind: FileKind) -> list[TensorSet]:
    """Every mapping from names to tensors in the file, outermost first.

    Half precision stays as it is. `InvalidInputError` if the file is damaged, holds more than tensors, texts, numbers and
    their containers, or declares sizes that it has no values for.
    """
    in_zip = kind is FileKind.PYTORCH
    try:
        with memory_limit(3 * path.stat().st_size + _SLACK_BYTES), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of its own old formats
            if in_zip:
                _check_members(path)
            # Mapped into memory, a classifier or an optimiser's state beside the network is never read.
            content = _load(path, mapped=in_zip)
    except InvalidInputError:
        raise
    except Exception as error:  # a decoder of a stranger's bytes may raise anything
        raise InvalidInputError(_complaint(path, error)) from error
    sets = list(_sets(content, (), set()))
    if not sets:
        raise InvalidInputError(f"{path} is {kind} that holds no tensors by name, but {_described(content)}")
    return sets


def _load(path: Path, *, mapped: bool) -> object:
    if mapped and path.suffix.lower() != ".safetensors":  # of which torch believes the suffix
        return torch.load(str(path), map_location="cpu", weights_only=True, mmap=True)
    with path.open("rb") as file:
        return torch.load(file, map_location="cpu", weights_only=True)


def _check_members(path: Path) -> None:
    """torch writes members as they are. It maps them as they are, too: a compressed one would give wrong values."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    packed = [member.filename for member in members if member.compress_type != zipfile.ZIP_STORED]
    if packed:
        raise InvalidInputError(f"{path} is a zip with compressed members, which PyTorch does not write: {packed[0]:.100}")
    if sum(member.file_size for member in members) > path.stat().st_size:
        raise InvalidInputError(f"{path} is damaged: its members overlap")


def _complaint(path: Path, error: Exception) -> str:
    text = str(error)
    if found := _FORBIDDEN.search(text):
        return (
            f"{path} holds more than tensors (it asks for {found[1]:.100}), and to read that could run a stranger's code. "
            "Where the file comes from, save the weights alone: torch.save(model.state_dict(), FILE)"
        )
    if isinstance(error, MemoryError) or "allocate memory" in text:
        return f"{path} is damaged, or made to do harm: it declares more values than it has bytes"
    inner = _UNPICKLER.search(text)
    reason = inner[1] if inner else text.split("\n")[0] or type(error).__name__
    return f"{path} is cut off or damaged: {reason:.200}"


def _sets(content: object, place: tuple[str, ...], seen: set[int]) -> Iterator[TensorSet]:
    if not isinstance(content, Mapping) or len(place) > _DEEPEST or id(content) in seen or len(seen) >= _MOST_SETS:
        return
    seen.add(id(content))
    tensors = {name: value.detach() for name, value in content.items() if isinstance(name, str) and _is_plain(value)}
    if tensors:
        yield TensorSet(".".join(place), tensors)
    for name, value in content.items():
        if isinstance(name, str):
            yield from _sets(value, (*place, name), seen)


def _is_plain(value: Any) -> bool:
    return (
        isinstance(value, Tensor) and value.layout is torch.strided and not value.is_quantized and value.device.type == "cpu"
    )


def _described(content: object) -> str:
    if isinstance(content, Mapping):
        return f"the entries {', '.join(str(name)[:50] for name in list(content)[:10])}" if content else "nothing"
    return f"a {type(content).__name__}"
