"""`fedface model import` writes a model that needs no `--architecture`, and says what it found and what comes next."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from fedface_core.domain.plan import ModelPlan
from fedface_lab.model.import_weights import plan_lines
from fedface_learning.formats.codec import sha256_hex
from fedface_learning.models import layouts
from support.command_line import Invoke
from support.small_layout import SMALL_LAYOUT, published_weights


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that fits the one layout that is known."""
    monkeypatch.setattr(layouts, "LAYOUTS", (SMALL_LAYOUT,))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "backbone.pth"
    torch.save({"net": published_weights() | {"classifier.weight": torch.zeros(7, 16)}}, path)
    return path


def test_it_says_what_it_found_and_what_comes_next(fedface: Invoke, weights: Path) -> None:
    code, out, err = fedface("model", "import", str(weights))
    assert (code, err) == (0, "")
    data = Path("backbone.safetensors").read_bytes()
    lines = out.splitlines()
    assert lines[0] == "found         Somebody's MobileFaceNet, in net: a PyTorch file"
    assert lines[1] == "architecture  mobilefacenet, 32×32 RGB, 16 numbers a face"
    assert lines[2].startswith(f"tensors       {len(SMALL_LAYOUT.shapes)} used, ")
    assert "left out: classifier.weight, " in lines[2]
    assert lines[2].endswith(" counters of batches")
    assert lines[3].startswith("its input     BGR, (pixel − 127.5) / 128: kept in the first convolution")
    assert lines[5] == f"{sha256_hex(data)}  backbone.safetensors"
    assert "fedface evaluate --model backbone.safetensors" in out
    assert "fedface model upload backbone.safetensors" in out
    assert f'[model]\narchitecture = "mobilefacenet"\nweights = "{sha256_hex(data)}"\nheight = 32\nwidth = 32\n' in out


def test_the_model_needs_no_architecture(fedface: Invoke, weights: Path) -> None:
    assert fedface("model", "import", str(weights), "--output", "m.safetensors")[0] == 0
    options = ("--dataset", "synthetic", "--identities", "3", "--bootstrap", "0", "--json")
    code, out, err = fedface("evaluate", "--model", "m.safetensors", *options)
    assert code == 0, err
    assert '"auc"' in out
    code, _, err = fedface("evaluate", "--model", "m.safetensors", "--architecture", "spherenet-20", *options[:-1])
    assert code == 2
    assert "m.safetensors has architecture mobilefacenet, height 32, width 32, embedding_size 16, widths 8×8×8" in err
    assert "as it says itself (Somebody's MobileFaceNet), not architecture spherenet-20, height 112" in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--output", "backbone.pth"), "backbone.pth is the file to import itself: name another one with --output"),
        (("--architecture", "spherenet-20"), "no published weights of spherenet-20 can be imported, but of mobilefacenet"),
        (("--output", "none.txt/x"), "cannot use "),
    ],
)
def test_what_is_wrong_is_said_and_nothing_written(
    fedface: Invoke, weights: Path, options: tuple[str, str], said: str
) -> None:
    before = weights.read_bytes()
    Path("none.txt").write_text("a file")
    code, _, err = fedface("model", "import", str(weights), *options)
    assert code == 2
    assert said in err
    assert weights.read_bytes() == before
    assert not list(Path().glob("*.safetensors"))


def test_other_files_are_named_for_what_they_are(fedface: Invoke, weights: Path) -> None:
    weights.write_bytes(b"<!doctype html><title>Sign in</title>")
    code, _, err = fedface("model", "import", str(weights))
    assert code == 2
    assert "backbone.pth is an HTML page: a download that failed. PyTorch files" in err
    torch.save(published_weights(), weights)
    for command in (("evaluate", "--model"), ("model", "upload"), ("model", "export", "--onnx", "o.onnx")):
        code, _, err = fedface(*command, str(weights))
        assert code == 2
        assert "backbone.pth is not a safetensors file: it is a PyTorch file; `fedface model import` makes a model" in err


def test_default_sizes_are_left_out_of_the_plan() -> None:
    plan = ModelPlan.model_validate({"architecture": "mobilefacenet"})
    assert plan_lines(plan, "a" * 64) == ["[model]", 'architecture = "mobilefacenet"', f'weights = "{"a" * 64}"']


def test_in_json_it_says_what_it_found_and_the_model_of_a_plan(fedface: Invoke, weights: Path) -> None:
    code, out, err = fedface("model", "import", str(weights), "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    sha256 = sha256_hex(Path("backbone.safetensors").read_bytes())
    assert (told["sha256"], told["file"], told["layout"]) == (sha256, "backbone.safetensors", SMALL_LAYOUT.name)
    assert (told["tensors"], told["place"]) == (len(SMALL_LAYOUT.shapes), "net")
    assert "classifier.weight" in told["left_out"]
    assert told["input"] == {"channel_order": "bgr", "pixel_mean": 127.5, "pixel_scale": 128.0}
    plan = ModelPlan.model_validate(told["plan"]["model"])
    assert (plan.architecture, plan.height, plan.stored_weights) == ("mobilefacenet", 32, sha256)
