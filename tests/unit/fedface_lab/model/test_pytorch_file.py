"""PyTorch files give their tensors, in whatever containers; they run no code, and take no memory beyond their size."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fedface_core.domain.errors import InvalidInputError
from fedface_core.files.file_kind import FileKind
from fedface_lab.model.pytorch_file import read_pytorch

STATE = {"conv.weight": torch.arange(6.0).reshape(2, 3), "conv.bias": torch.ones(2)}
both_forms = pytest.mark.parametrize("kind", [FileKind.PYTORCH, FileKind.OLD_PYTORCH], ids=["zip", "before 1.6"])


def saved(path: Path, content: object, kind: FileKind = FileKind.PYTORCH) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=kind is FileKind.PYTORCH)
    return path


def complaint(path: Path, kind: FileKind = FileKind.PYTORCH) -> str:
    with pytest.raises(InvalidInputError) as refusal:
        read_pytorch(path, kind)
    return str(refusal.value)


@both_forms
@pytest.mark.parametrize("wrapper", [(), ("state_dict",), ("model",), ("net", "backbone")], ids=str)
def test_tensors_are_found_in_every_wrapper(tmp_path: Path, kind: FileKind, wrapper: tuple[str, ...]) -> None:
    content: dict[str, Any] = dict(STATE)
    for name in reversed(wrapper):
        content = {name: OrderedDict(content), "epoch": 3, "arch": "r50", "best": [0.99]}
    sets = read_pytorch(saved(tmp_path / "a.pth", content, kind), kind)
    assert [each.place for each in sets] == [".".join(wrapper)]
    for name, tensor in STATE.items():
        assert torch.equal(sets[0].tensors[name], tensor)


def test_parameters_and_half_precision_are_tensors(tmp_path: Path) -> None:
    content = {
        "a": torch.nn.Parameter(torch.ones(2)),
        "b": torch.ones(2, dtype=torch.bfloat16),
        "c": "text",
        4: torch.ones(1),
    }
    (found,) = read_pytorch(saved(tmp_path / "a.pth", content), FileKind.PYTORCH)
    assert {name: tensor.dtype for name, tensor in found.tensors.items()} == {"a": torch.float32, "b": torch.bfloat16}
    assert not found.tensors["a"].requires_grad


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("harm",)


@both_forms
def test_what_would_run_code_is_named_and_not_run(tmp_path: Path, kind: FileKind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = complaint(saved(tmp_path / "a.pth", STATE | {"x": Harmful()}, kind), kind)
    assert "a.pth holds more than tensors (it asks for posix.mkdir), and to read that could run a stranger's code" in said
    assert "torch.save(model.state_dict(), FILE)" in said
    assert not (tmp_path / "harm").exists()


def test_a_whole_module_is_told_how_to_be_saved(tmp_path: Path) -> None:
    assert "(it asks for torch.nn.modules.linear.Linear)" in complaint(saved(tmp_path / "a.pth", torch.nn.Linear(2, 2)))


def test_a_file_without_tensors_by_name_says_what_it_holds(tmp_path: Path) -> None:
    assert "holds no tensors by name, but the entries epoch, lr" in complaint(saved(tmp_path / "a", {"epoch": 1, "lr": 0.1}))
    assert "holds no tensors by name, but a list" in complaint(saved(tmp_path / "a", [torch.ones(1)]))


def rezipped(data: bytes, method: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", method) as new:
        for member in old.infolist():
            new.writestr(member.filename, old.read(member))
    return out.getvalue()


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pth", {"w": torch.zeros(2**20)})
    path.write_bytes(rezipped(path.read_bytes(), zipfile.ZIP_DEFLATED))
    assert path.stat().st_size < 100_000
    assert "is a zip with compressed members, which PyTorch does not write" in complaint(path)


def test_a_zip_whose_members_are_the_same_bytes_is_refused(tmp_path: Path) -> None:
    """Small as it is, it would unpack to any size."""
    path = saved(tmp_path / "a.pth", {"w": torch.zeros(10_000)})
    with zipfile.ZipFile(path, "a") as archive:
        largest = max(archive.filelist, key=lambda member: member.file_size)
        archive.filelist += [largest] * 2
        archive.comment = b"has the list of members written anew"
    assert complaint(path) == f"{path} is damaged: its members overlap"


@both_forms
def test_more_values_than_the_file_has_are_not_made(tmp_path: Path, kind: FileKind) -> None:
    """The number of values of a tensor, 77777, is written anew as 2³⁰ and as 2⁶² in the pickle of its shape."""
    path = saved(tmp_path / "a.pth", {"w": torch.zeros(77777, dtype=torch.uint8)}, kind)
    data = path.read_bytes()
    if kind is FileKind.PYTORCH:
        data = rezipped(data, zipfile.ZIP_STORED)  # without torch's checksums
    for size in (2**30, 2**62):
        number = pickle.dumps(size, protocol=2)[2:-1]
        replaced = data.replace(b"J" + struct.pack("<i", 77777), number)
        if kind is FileKind.PYTORCH:
            out = io.BytesIO()
            with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
                for member in old.infolist():
                    new.writestr(member.filename, old.read(member).replace(b"J" + struct.pack("<i", 77777), number))
            replaced = out.getvalue()
        path.write_bytes(replaced)
        assert complaint(path, kind).startswith(f"{path} is ")


@both_forms
def test_cut_off_and_flipped_files_are_errors_or_tensors(tmp_path: Path, kind: FileKind) -> None:
    path = saved(tmp_path / "a.pth", {"net": STATE, "epoch": 3}, kind)
    data = path.read_bytes()
    draw = np.random.default_rng(0)
    for size in draw.integers(1, len(data), 15):
        path.write_bytes(data[:size])
        said = complaint(path, kind)
        assert "is cut off or damaged" in said or "it asks for collections" in said  # cut within the name of a class
    for _ in range(60):
        damaged = bytearray(data)
        for place in draw.integers(0, len(data), 3):
            damaged[place] ^= 1 << int(draw.integers(8))
        path.write_bytes(damaged)
        try:
            assert read_pytorch(path, kind)
        except InvalidInputError as error:
            assert str(path) in str(error)  # noqa: PT017  either is right
