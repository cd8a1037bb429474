"""Says what kind of file a person gave where weights of a network were expected, by its content and not by its name.

The names of published weights say little: a ``.pth`` may be a zip, a pickle or a tar, a ``.bin`` anything, and a download
that failed is an HTML page. Nothing is read but both ends of a file, and nothing is executed.
"""

from __future__ import annotations

import os
import re
from enum import StrEnum
from mmap import mmap
from pathlib import Path
from typing import Final

from fedface_core.domain.errors import InvalidInputError


class FileKind(StrEnum):
    """A kind of file, in the words of messages."""

    EMPTY = "an empty file"
    SAFETENSORS = "a safetensors file"
    PYTORCH = "a PyTorch file"
    OLD_PYTORCH = "a PyTorch file in the form before version 1.6 (a pickle)"
    PYTORCH_TAR = "a PyTorch file in the form before version 0.2 (a tar of pickles)"
    TORCHSCRIPT = "a TorchScript archive"
    PICKLE = "a Python pickle"
    ONNX = "an ONNX graph"
    KERAS = "a Keras 3 archive"
    HDF5 = "an HDF5 file, such as Keras writes"
    TENSORFLOW = "a TensorFlow frozen graph"
    SAVED_MODEL = "a TensorFlow saved model"
    TFLITE = "a TensorFlow Lite model"
    CAFFE = "a Caffe model"
    MXNET = "a file of MXNet parameters"
    NUMPY = "a NumPy array"
    NUMPY_ARCHIVE = "an archive of NumPy arrays"
    ZIP = "a zip archive"
    TAR = "a tar archive"
    COMPRESSED = "a compressed archive"
    HTML = "an HTML page: a download that failed"
    XML = "an XML document"
    JSON = "a JSON document"
    TOML = "a TOML document, such as a plan"
    GIT_LFS = "a Git LFS pointer: the file that it stands for was not downloaded (git lfs pull)"
    IMAGE = "an image"


IMPORTED: Final = frozenset({FileKind.SAFETENSORS, FileKind.PYTORCH, FileKind.OLD_PYTORCH, FileKind.ONNX})
"""The kinds that `fedface model import` reads."""

_START_BYTES: Final = 4096
_MOST_HEADER_BYTES: Final = 2**32  # more than any header, and its upper four bytes are 0, which is no text
_END_BYTES: Final = 2**20  # holds the list of a zip's members, which is at its end

_PICKLE_OF_TORCH: Final = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # torch's magic number, pickled; protocol 2 and later
_OLD_TORCH: Final = re.compile(rb"\x80[\x02-\x05](\x95.{8})?" + re.escape(_PICKLE_OF_TORCH), re.DOTALL)
_PICKLE: Final = re.compile(rb"\x80[\x02-\x05][\x80-\x95}\](cXUKJGqN]", re.DOTALL)
# Protobuf: the field's number and type in one byte, then the length, then the field.
_LENGTH: Final = rb"[\x80-\xff]{0,4}[\x00-\x7f]"
_SAVED_MODEL: Final = re.compile(rb"\x08\x01\x12" + _LENGTH + rb"\x0a", re.DOTALL)
_ONNX: Final = re.compile(rb"\x08[\x01-\x20][\x12\x1a\x22\x28\x32\x3a\x42]", re.DOTALL)
_FROZEN_GRAPH: Final = re.compile(rb"\x0a" + _LENGTH + rb"\x0a[\x01-\x7f][\w./-]+\x12[\x01-\x7f]\w+", re.DOTALL)
_CAFFE: Final = re.compile(rb"\x0a[\x01-\x7f][ -~]*?(\xa2\x06|\x12[\x00-\x7f])", re.DOTALL)
_TOML: Final = re.compile(  # comments, then a table or a field
    rb"(?:[ \t]*(?:#[^\n\0]*)?\r?\n)*[ \t]*"
    rb"""(?:\[\[?[\w."' -]+\]\]?[ \t]*(?:#|\r?\n|\Z)|[\w."'-]+[ \t]*=[ \t]*["'\[{\w+-])"""
)
_STARTS: Final[tuple[tuple[bytes, FileKind], ...]] = (
    (b"\x89HDF\r\n\x1a\n", FileKind.HDF5),
    (b"\x12\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0", FileKind.MXNET),
    (b"\x93NUMPY", FileKind.NUMPY),
    (b"version https://git-lfs", FileKind.GIT_LFS),
    *(
        (magic, FileKind.COMPRESSED)
        for magic in (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07")
    ),
    (b"\x28\xb5\x2f\xfd", FileKind.COMPRESSED),
    *((magic, FileKind.IMAGE) for magic in (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8")),
)


def kind_of_file(path: Path) -> FileKind | None:
    """The kind of the file; None if it is none of `FileKind`. `InvalidInputError` if it cannot be read, or is no file."""
    if path.exists() and not path.is_file():
        raise InvalidInputError(f"{path} is no file")
    try:
        with path.open("rb") as file:
            start = file.read(_START_BYTES)
            file.seek(max(0, file.seek(0, os.SEEK_END) - _END_BYTES))
            return _kind(start, file.read(_END_BYTES))
    except OSError as error:
        raise InvalidInputError(f"cannot read {path}: {error.strerror}") from None


def kind_of_bytes(data: bytes | bytearray | mmap) -> FileKind | None:
    """The kind of a file that holds ``data``; None if it is none of `FileKind`."""
    return _kind(bytes(data[:_START_BYTES]), bytes(data[-_END_BYTES:]))


def _kind(start: bytes, end: bytes) -> FileKind | None:
    if not start:
        return FileKind.EMPTY
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < _MOST_HEADER_BYTES:  # first: sizes look like magic, too
        return FileKind.SAFETENSORS
    for magic, kind in _STARTS:
        if start.startswith(magic):
            return kind
    if start.startswith(b"PK"):
        return _kind_of_zip(start, end)
    if start[257:262] == b"ustar" or start[:100].rstrip(b"\0") in {b"sys_info", b"pickle", b"storages", b"tensors"}:
        return FileKind.PYTORCH_TAR if start.startswith((b"sys_info", b"pickle", b"storages", b"tensors")) else FileKind.TAR
    if _OLD_TORCH.match(start):
        return FileKind.OLD_PYTORCH
    if _PICKLE.match(start):
        return FileKind.PICKLE
    if start[4:8] == b"TFL3":
        return FileKind.TFLITE
    return _kind_of_protobuf(start) or _kind_of_text(start)


def _kind_of_zip(start: bytes, end: bytes) -> FileKind:
    names = start + end  # the first member's name, which a cut-off zip has too, and the list of all
    if b"/constants.pkl" in names or b"/code/__torch__" in names:
        return FileKind.TORCHSCRIPT
    if b"/data.pkl" in names:
        return FileKind.PYTORCH
    if b"model.weights.h5" in names:
        return FileKind.KERAS
    return FileKind.NUMPY_ARCHIVE if b".npy" in names else FileKind.ZIP


def _kind_of_protobuf(start: bytes) -> FileKind | None:
    """Protobuf has no magic number: its first fields have to be those of a known format."""
    for pattern, kind in (
        (_SAVED_MODEL, FileKind.SAVED_MODEL),
        (_ONNX, FileKind.ONNX),
        (_FROZEN_GRAPH, FileKind.TENSORFLOW),
        (_CAFFE, FileKind.CAFFE),
    ):
        if pattern.match(start):
            return kind
    return None


def _kind_of_text(start: bytes) -> FileKind | None:
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head")):
        return FileKind.HTML
    if text.startswith(b"<?xml"):
        return FileKind.HTML if b"<html" in text else FileKind.XML
    if re.match(rb'\{\s*"', text) or re.match(rb"\[\s*[\[{\"]", text):
        return FileKind.JSON
    return FileKind.TOML if _TOML.match(text) else None
