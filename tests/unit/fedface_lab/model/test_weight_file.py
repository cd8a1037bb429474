"""Weights are read by their content; what is not read is named for what it is, with what to do."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from fedface_core.domain.errors import InvalidInputError
from fedface_core.files.file_kind import FileKind
from fedface_lab.model import weight_file
from fedface_lab.model.weight_file import read_weights
from fedface_learning.formats.codec import encode_tensors
from support.plain_iresnet import exported, small_iresnet

STATE = {"w": torch.ones(3, dtype=torch.float16)}


def torchscript() -> bytes:
    file = io.BytesIO()
    torch.jit.save(torch.jit.trace(torch.nn.ReLU(), torch.zeros(1)), file)  # type: ignore[no-untyped-call]
    return file.getvalue()


def complaint(path: Path) -> str:
    with pytest.raises(InvalidInputError) as refusal:
        read_weights(path)
    return str(refusal.value)


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors", "a.onnx", "a"])
def test_the_name_of_a_file_says_nothing(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    torch.save(STATE, path)
    assert read_weights(path).kind is FileKind.PYTORCH
    path.write_bytes(save(STATE, {"format": "pt"}))
    found = read_weights(path)
    assert (found.kind, found.sets[0].tensors["w"].dtype) == (FileKind.SAFETENSORS, torch.float16)
    path.write_bytes(exported(small_iresnet((1,))))
    assert read_weights(path).kind is FileKind.ONNX


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is an empty file. PyTorch files (.pth, .pt, .ckpt), safetensors and ONNX graphs are read"),
        (b"<html>", "is an HTML page: a download that failed."),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
        (b"\x80\x04}\x94.", "is a Python pickle. to read it could run a stranger's code"),
        (b"\x89HDF\r\n\x1a\n", "is an HDF5 file, such as Keras writes. PyTorch files"),
        (b"what?", "is no file of weights that FedFace knows. PyTorch files"),
        (b"\x10" + bytes(7) + b"{nonsense and on", "is not a safetensors file: its header is not JSON"),
        (encode_tensors({"w": torch.ones(1)}), "is a model of FedFace already: give it to `fedface evaluate --model`"),
        (b"\x08\x06\x12\x07pytorch", "whole ONNX graph"),
    ],
    ids=["empty", "HTML", "LFS", "pickle", "HDF5", "text", "safetensors", "ours", "ONNX"],
)
def test_what_is_not_read_is_named(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "model.pth"
    path.write_bytes(data + (b"" if not data.startswith(b"\x08") else b"\x3a\xff\xff"))
    assert said in complaint(path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_says_how_to_save_it_again(tmp_path: Path) -> None:
    (tmp_path / "m.pt").write_bytes(torchscript())
    assert "m.pt is a TorchScript archive. save the weights alone" in complaint(tmp_path / "m.pt")


def test_sizes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit, data in (("MAX_ONNX_BYTES", b"\x08\x06\x12" + bytes(99)), ("MAX_MODEL_BYTES", save(STATE))):
        monkeypatch.setattr(weight_file, limit, 20)
        (tmp_path / "w").write_bytes(data)
        assert "has more than 20 bytes" in complaint(tmp_path / "w")
    monkeypatch.setattr(weight_file, "MAX_PYTORCH_BYTES", 20)
    torch.save(STATE, tmp_path / "w")
    assert "which is too large; 20 are read" in complaint(tmp_path / "w")
