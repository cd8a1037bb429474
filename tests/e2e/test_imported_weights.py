"""A federated run starts from imported weights of the published size, through the services of the local stack."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from fedface_lab.evaluation.model_file import open_model_file
from fedface_learning.formats.codec import decode_tensors
from support.command_line import Invoke
from support.local_stack import fedface_up
from support.plain_iresnet import PlainIResNet

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

PLAN = """
name = "from published weights"
rounds = 1
{model}
[data]
dataset = "synthetic"
images_per_identity = 3
[split]
clients = 3
test = 3
[local_training]
steps = 1
batch_size = 3
learning_rate = 1e-3
"""


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A checkpoint of a training of iresnet-18, with random weights: names and shapes are as published."""
    torch.manual_seed(0)
    network = PlainIResNet([64, 128, 256, 512], [2, 2, 2, 2], 112, 512)
    path = tmp_path / "backbone.pth"
    torch.save(
        {"state_dict": {f"module.{name}": tensor for name, tensor in network.state_dict().items()}, "epoch": 20}, path
    )
    return path


def test_a_run_starts_from_imported_weights(
    fedface: Invoke, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "iresnet.safetensors"
    code, out, err = fedface("model", "import", str(published), "--output", str(model))
    assert code == 0, err
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN.format(model=out[out.index("[model]") :]))
    sha256 = re.findall(r'weights = "(.*)"', out)[0]
    assert model.stat().st_size > 90_000_000
    with fedface_up(tmp_path) as (_, url):
        monkeypatch.setenv("FEDFACE_API_URL", url)
        assert fedface("model", "upload", str(model))[:2] == (0, f"{sha256}\n")
        code, out, err = fedface("run", "create", str(plan), "--start")
        assert code == 0, err
        run = re.findall(r"run-[\w-]+", out)[0]
        assert fedface("run", "watch", run)[0] == 0
        code, _, err = fedface("model", "download", run, "-o", str(tmp_path / "run.safetensors"))
        assert code == 0, err
    trained = open_model_file(tmp_path / "run.safetensors")
    assert trained.described_plan is None  # the plan of the run says which network it is
    before, _ = decode_tensors(model.read_bytes())
    after, _ = decode_tensors(trained.data)
    assert {name: tensor.shape for name, tensor in after.items()} == {name: tensor.shape for name, tensor in before.items()}
    assert any(not torch.equal(after[name], before[name]) for name in before)
