"""A file is named for what it is, whatever its name says; a kind that nobody knows has no name."""

from __future__ import annotations

import io
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from fedface_core.domain.errors import InvalidInputError
from fedface_core.files.file_kind import FileKind, kind_of_bytes, kind_of_file

STATE = {"w": torch.zeros(3)}


def torch_saved(*, new: bool) -> bytes:
    file = io.BytesIO()
    torch.save(STATE, file, _use_new_zipfile_serialization=new)
    return file.getvalue()


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return file.getvalue()


def tarred(name: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
    return file.getvalue()


def numpy_saved() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros(2))
    return file.getvalue()


CASES = {
    FileKind.EMPTY: b"",
    FileKind.SAFETENSORS: save({"w": np.zeros(3, np.float32)}),
    FileKind.PYTORCH: torch_saved(new=True),
    FileKind.OLD_PYTORCH: torch_saved(new=False),
    FileKind.PYTORCH_TAR: tarred("sys_info"),
    FileKind.TORCHSCRIPT: zipped("net/data.pkl", "net/code/__torch__/net.py", "net/constants.pkl"),
    FileKind.PICKLE: pickle.dumps({"w": [1.0]}),
    FileKind.ONNX: b"\x08\x06\x12\x07pytorch\x1a\x051.6.0",
    FileKind.KERAS: zipped("metadata.json", "config.json", "model.weights.h5"),
    FileKind.HDF5: b"\x89HDF\r\n\x1a\n" + bytes(20),
    FileKind.TENSORFLOW: b"\x0a\x1e\x0a\x05input\x12\x0bPlaceholder*\x0a",
    FileKind.SAVED_MODEL: b"\x08\x01\x12\x80\x02\x0a\x10",
    FileKind.TFLITE: b"\x1c\0\0\0TFL3" + bytes(20),
    FileKind.CAFFE: b"\x0a\x08SphereCN\xa2\x06\x20",
    FileKind.MXNET: b"\x12\x01" + bytes(14) + b"\x02",
    FileKind.NUMPY: numpy_saved(),
    FileKind.NUMPY_ARCHIVE: zipped("w.npy"),
    FileKind.ZIP: zipped("backbone.pth"),
    FileKind.TAR: tarred("backbone.pth"),
    FileKind.COMPRESSED: b"\x1f\x8b\x08\0" + bytes(20),
    FileKind.HTML: b"\n<!DOCTYPE html>\n<html><head><title>Google Drive: virus scan warning",
    FileKind.XML: b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    FileKind.JSON: b'{"format": "graph-model"}',
    FileKind.TOML: b'# a plan\n\nname = "orl"\n[model]\narchitecture = "dlib-resnet"\n',
    FileKind.GIT_LFS: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    FileKind.IMAGE: b"\xff\xd8\xff\xe0\0\x10JFIF",
}


@pytest.mark.parametrize("kind", FileKind, ids=lambda kind: kind.name)
def test_every_kind_is_known_by_its_content(kind: FileKind, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(CASES[kind])
    assert kind_of_bytes(CASES[kind]) == kind
    assert kind_of_file(path) == kind


@pytest.mark.parametrize("data", [b"a plan\n", b"\0" * 5000, b"\x02", b"Aaron_Eckhart 1\n", b"\xff" * 9, b"PPK"], ids=repr)
def test_what_is_none_of_them_has_no_name(data: bytes) -> None:
    assert kind_of_bytes(data) is None


@pytest.mark.parametrize("new", [True, False], ids=["zip", "before 1.6"])
def test_a_cut_off_pytorch_file_is_still_one(new: bool) -> None:
    data = torch_saved(new=new)
    assert kind_of_bytes(data[: len(data) // 2]) == (FileKind.PYTORCH if new else FileKind.OLD_PYTORCH)


def test_the_list_at_the_end_of_a_zip_counts(tmp_path: Path) -> None:
    data = zipped(*(f"net/data/{number}" for number in range(500)), "net/constants.pkl")
    assert kind_of_bytes(data) == FileKind.TORCHSCRIPT


@given(st.binary(max_size=200))
def test_any_bytes_have_a_kind_or_none(data: bytes) -> None:
    kind = kind_of_bytes(data)
    assert kind is None or (kind == FileKind.EMPTY) == (not data)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="is no file"):
        kind_of_file(tmp_path)
    with pytest.raises(InvalidInputError, match=r"cannot read .*none: No such file"):
        kind_of_file(tmp_path / "none")
