"""`fedface model export` takes the network from the model itself, an option, or a plan."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest

from fedface_cli.plan_files import read_plan
from fedface_learning.formats.codec import sha256_hex
from fedface_learning.models import initial_network
from fedface_learning.models.description import ModelDescription
from fedface_learning.models.weights import encode_described_network, encode_network
from support.command_line import Invoke
from support.small_layout import PLAN


def described() -> bytes:
    fed = {"channel_order": "bgr", "pixel_mean": 127.5, "pixel_scale": 128.0}
    origin = {"layout": "Somebody's", "source": "a.pth", "source_sha256": "a" * 64}
    description = ModelDescription.model_validate({"model": PLAN, **origin, **fed})
    return encode_described_network(initial_network(PLAN, 0), description)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_described_model_needs_no_option(fedface: Invoke) -> None:
    Path("m.safetensors").write_bytes(described())
    code, out, err = fedface("model", "export", "m.safetensors", "--onnx", "m.onnx")
    assert code == 0, err
    graph = Path("m.onnx").read_bytes()
    assert out.splitlines() == [
        "mobilefacenet: images (N, 3, 32, 32), 0 to 255 → embeddings (N, 16)",
        f"{sha256_hex(graph)}  m.onnx",
    ]
    said = {each.key: each.value for each in onnx.load_model_from_string(graph).metadata_props}
    assert said["model_sha256"] == sha256_hex(described())
    told = json.loads(fedface("model", "export", "m.safetensors", "--onnx", "m.onnx", "--json")[1])
    assert (told["sha256"], told["file"], told["model_sha256"]) == (sha256_hex(graph), "m.onnx", sha256_hex(described()))
    assert (told["images"], told["embeddings"]) == ([None, 3, 32, 32], [None, 16])


def test_a_model_of_a_run_takes_its_plan(fedface: Invoke, plan: str) -> None:
    Path("m.safetensors").write_bytes(encode_network(initial_network(read_plan(Path(plan)).model, 0)))
    code, _, err = fedface("model", "export", "m.safetensors", "--onnx", "m.onnx")
    assert code == 2
    assert "m.safetensors does not say which network it is: give --architecture or --plan" in err
    assert fedface("model", "export", "m.safetensors", "--onnx", "m.onnx", "--plan", plan)[0] == 0
    assert Path("m.onnx").is_file()


def test_what_contradicts_the_model_is_refused(fedface: Invoke, plan: str) -> None:
    Path("m.safetensors").write_bytes(described())
    code, _, err = fedface("model", "export", "m.safetensors", "--onnx", "m.onnx", "--architecture", "spherenet-4")
    assert code == 2
    assert "m.safetensors has architecture mobilefacenet" in err
    code, _, err = fedface(
        "model", "export", "m.safetensors", "--onnx", "m.onnx", "--architecture", "spherenet-4", "--plan", plan
    )
    assert code == 2
    assert "--plan names the network" in err
