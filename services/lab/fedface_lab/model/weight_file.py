"""Reads a file of weights of whatever kind: which kind it is, and its tensors by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fedface_core.domain.errors import DamagedObjectError, InvalidInputError
from fedface_core.files.bounded_file import read_bytes
from fedface_core.files.file_kind import IMPORTED, FileKind, kind_of_file
from fedface_core.files.safetensors_header import MAX_MODEL_BYTES, check_safetensors, metadata_of
from fedface_lab.model.pytorch_file import read_pytorch
from fedface_lab.model.tensor_set import TensorSet
from fedface_learning.formats.codec import decode_tensors
from fedface_learning.formats.safetensors_layout import METADATA_KEY

MAX_PYTORCH_BYTES: Final = 2**34
"""16 GiB: a training's whole state, with the classifier of two million people. Only the network's part is read."""

MAX_ONNX_BYTES: Final = 2**31
"""2 GiB: Protobuf has no larger messages."""

_TO_DO: Final = {
    FileKind.TORCHSCRIPT: "save the weights alone: torch.save(torch.jit.load(FILE).state_dict(), OTHER)",
    FileKind.PYTORCH_TAR: "load it with the PyTorch it was made with, and save it again with torch.save",
    FileKind.PICKLE: "to read it could run a stranger's code; save the weights with torch.save or as safetensors",
    FileKind.COMPRESSED: "unpack it first",
    FileKind.ZIP: "unpack it first",
    FileKind.TAR: "unpack it first",
}
_READ: Final = "PyTorch files (.pth, .pt, .ckpt), safetensors and ONNX graphs are read"


@dataclass(frozen=True)
class WeightFile:
    """What a file of weights holds."""

    kind: FileKind
    sets: list[TensorSet]
    """Its tensors, in each of the places that hold some."""
    remark: str = ""
    """Why a part of the file gave no tensors, for the message if none of ``sets`` fits; may be empty."""


def read_weights(path: Path) -> WeightFile:
    """The tensors of a PyTorch file, a safetensors file or an ONNX graph, recognised by content.

    Nothing in the file is executed. `InvalidInputError` names a file of another kind for what it is, and says what is wrong
    with one that is damaged.
    """
    kind = kind_of_file(path)
    if kind is None:
        raise InvalidInputError(f"{path} is no file of weights that FedFace knows. {_READ}")
    if kind not in IMPORTED:
        raise InvalidInputError(f"{path} is {kind}. {_TO_DO.get(kind, _READ)}")
    try:
        return _read(path, kind)
    except InvalidInputError as error:
        if str(path) in str(error):
            raise
        raise InvalidInputError(f"{path}: {error}") from None


def _read(path: Path, kind: FileKind) -> WeightFile:
    match kind:
        case FileKind.SAFETENSORS:
            return WeightFile(kind, [_safetensors(path)])
        case FileKind.ONNX:
            from fedface_lab.model.onnx_file import read_onnx

            sets, remark = read_onnx(path, read_bytes(path, MAX_ONNX_BYTES))
            return WeightFile(kind, sets, remark)
    size = path.stat().st_size
    if size > MAX_PYTORCH_BYTES:
        raise InvalidInputError(f"{path} has {size:,} bytes, which is too large; {MAX_PYTORCH_BYTES:,} are read")
    return WeightFile(kind, read_pytorch(path, kind))


def _safetensors(path: Path) -> TensorSet:
    data = read_bytes(path, MAX_MODEL_BYTES)
    check_safetensors(data, str(path))
    if METADATA_KEY in metadata_of(data):
        raise InvalidInputError(
            f"{path} is a model of FedFace already: give it to `fedface evaluate --model` or `fedface model upload` as it is"
        )
    try:
        tensors, _ = decode_tensors(data)
    except DamagedObjectError as error:
        raise InvalidInputError(f"{path}: {error}") from None
    return TensorSet("", tensors)
