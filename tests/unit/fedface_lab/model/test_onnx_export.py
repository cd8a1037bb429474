"""An exported graph gives, under another runtime, the embeddings of the network."""

from __future__ import annotations

import sys

import onnx
import onnxruntime
import pytest
import torch

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import ModelPlan
from fedface_lab.model.onnx_export import encode_onnx
from fedface_learning.models import initial_network
from support.small_networks import MOBILE, TINY

PLANS = {
    name: ModelPlan.model_validate(fields)
    for name, fields in {
        "grey": TINY,
        "RGB": MOBILE | {"channels": 3},
        "dlib": {"architecture": "dlib-resnet", "weights": "random"},
    }.items()
}


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_another_runtime_gives_the_same_embeddings(plan: ModelPlan) -> None:
    network = initial_network(plan, 0)
    network.centre.uniform_(-0.1, 0.1)
    graph = encode_onnx(network, "a" * 64)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    for count in (1, 2, 5):
        images_NCHW = torch.randint(0, 256, (count, plan.channels, plan.height, plan.width)).float()
        (found,) = session.run(["embeddings"], {"images": images_NCHW.numpy()})
        with torch.no_grad():
            expected = network(images_NCHW)
        torch.testing.assert_close(torch.from_numpy(found), expected, rtol=0, atol=1e-5)


def test_the_graph_says_what_it_takes() -> None:
    model = onnx.load_model_from_string(encode_onnx(initial_network(PLANS["RGB"], 0), "a" * 64))
    said = {each.key: each.value for each in model.metadata_props}
    assert said["architecture"] == "mobilefacenet"
    assert said["model_sha256"] == "a" * 64
    assert said["images"] == "float32 (N, 3, 32, 32), RGB, 0 to 255"
    assert [each.name for each in model.graph.input] == ["images"]


def test_without_the_package_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InvalidInputError, match="needs the package onnx; install it with: pip install"):
        encode_onnx(initial_network(PLANS["RGB"], 0), "a" * 64)
