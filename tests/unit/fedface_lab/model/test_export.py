"""`fedface model export` takes the network from the model itself, an option, or a plan."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest

from fedface_cli.plan_files import read_plan
from fedface_control.facts import handle_fact
from fedface_control.operate.run import create_run, start_run
from fedface_core.contracts import object_keys
from fedface_core.domain.facts import ModelPrepared
from fedface_core.domain.plan import Plan
from fedface_learning.formats.codec import sha256_hex
from fedface_learning.models import initial_network
from fedface_learning.models.description import ModelDescription
from fedface_learning.models.weights import encode_described_network, encode_network
from support.api_by_hand import ByHand
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


def test_a_model_version_of_the_api_needs_its_digest_alone(fedface: Invoke, api: ByHand) -> None:
    run_id = create_run(api.ports, Plan(model=PLAN)).id
    data = encode_network(initial_network(PLAN, 0))
    sha256 = sha256_hex(data)
    start_run(api.ports, run_id)
    api.ports.artifacts.put(object_keys.claim(sha256, run_id), b"")
    api.ports.artifacts.put(object_keys.model(sha256), data)
    handle_fact(api.ports, ModelPrepared(run_id=run_id, model_sha256=sha256))
    code, out, err = fedface("model", "export", sha256, "--onnx", "m.onnx")
    assert code == 0, err
    assert out.splitlines()[0] == "mobilefacenet: images (N, 3, 32, 32), 0 to 255 → embeddings (N, 16)"
    said = {each.key: each.value for each in onnx.load("m.onnx").metadata_props}
    assert said["model_sha256"] == sha256


def test_a_digest_that_no_model_has_is_told(fedface: Invoke, api: ByHand) -> None:
    code, _, err = fedface("model", "export", "0" * 64, "--onnx", "m.onnx")
    assert (code, "0" * 64 in err, Path("m.onnx").exists()) == (4, True, False)


def test_a_file_may_be_named_as_a_digest(fedface: Invoke) -> None:
    Path("0" * 64).write_bytes(described())
    assert fedface("model", "export", "0" * 64, "--onnx", "m.onnx")[0] == 0
