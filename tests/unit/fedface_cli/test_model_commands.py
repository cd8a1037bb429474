"""Models are downloaded whole, and uploaded under their SHA-256."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from support.api_by_hand import MODEL, MODEL_SHA256, ByHand
from support.command_line import Invoke


def test_download_writes_the_model_and_its_hash(fedface: Invoke, api: ByHand, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "model.safetensors"
    code, out, _ = fedface("model", "download", api.completed(), "--output", str(target))
    assert code == 0
    assert out.strip() == f"{MODEL_SHA256}  {target}"
    assert target.read_bytes() == MODEL
    assert [path.name for path in target.parent.iterdir()] == ["model.safetensors"]


def test_download_before_there_is_a_model(fedface: Invoke, api: ByHand) -> None:
    code, _, err = fedface("model", "download", api.created())
    assert code == 1
    assert "no model version yet" in err


def test_upload_prints_the_hash_to_name_in_a_plan(fedface: Invoke, api: ByHand, tmp_path: Path) -> None:
    source = tmp_path / "weights.safetensors"
    source.write_bytes(MODEL)
    assert fedface("model", "upload", str(source))[:2] == (0, f"{MODEL_SHA256}\n")
    code, _, err = fedface("model", "upload", str(tmp_path / "none"))
    assert code == 2
    assert "none: No such file" in err


def test_a_model_goes_through_a_link_and_into_a_pipe(fedface: Invoke, api: ByHand, tmp_path: Path) -> None:
    run = api.completed()
    (tmp_path / "link").symlink_to("model.safetensors")
    assert fedface("model", "download", run, "-o", str(tmp_path / "link"))[0] == 0
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "model.safetensors").read_bytes() == MODEL
    os.mkfifo(tmp_path / "pipe")
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_bytes()), daemon=True)
    reader.start()
    assert fedface("model", "download", run, "-o", str(tmp_path / "pipe")) == (0, "", f"{MODEL_SHA256}  {tmp_path}/pipe\n")
    reader.join(10)
    assert read == [MODEL]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("plan.toml", b'name = "a plan"\n[model]\n', "it is a TOML document, such as a plan"),
        ("half.safetensors", MODEL[:-1], "its tensors take 8 bytes, but 7 follow the header"),
        ("empty", b"", "it is an empty file"),
        (
            "weights.pth",
            b"PK\x03\x04" + bytes(30) + b"x/data.pkl",
            "it is a PyTorch file; `fedface model import` makes a model",
        ),
        ("page.pth", b"<!DOCTYPE html>\n<html>", "it is an HTML page: a download that failed"),
    ],
    ids=["TOML", "cut short", "nothing", "PyTorch", "HTML"],
)
def test_what_is_not_safetensors_is_not_uploaded(
    fedface: Invoke, api: ByHand, tmp_path: Path, name: str, content: bytes, complaint: str
) -> None:
    (tmp_path / name).write_bytes(content)
    before = api.ports.artifacts.keys("")
    code, out, err = fedface("model", "upload", str(tmp_path / name))
    assert (code, out) == (2, "")
    assert f"{name} is not a safetensors file: {complaint}" in err
    assert api.ports.artifacts.keys("") == before
