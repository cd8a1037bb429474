"""What `fedface bench training` compares: the same training, written plainly; and what it says of growth."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

from fedface_cli.main import main
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_learning.client.local_training import Trainee, TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.models import EmbeddingNetwork, initial_network
from loadtest.bare import BARE_LOOP, BARE_LOOP_CHANNELS_LAST
from loadtest.bare.loop import BareLoop, normalised_pixels, training_network
from loadtest.bare.workload import Workload
from loadtest.bench import training_speeds
from loadtest.bench.growth import Growth
from loadtest.bench.plan_workload import workload_of
from loadtest.bench.training_speeds import ONE_AT_A_TIME, TrainingReport, measure_speeds, multiply_adds

TINY = {
    "architecture": "spherenet-4",
    "height": 32,
    "width": 32,
    "channels": 1,
    "embedding_size": 16,
    "widths": (4, 8, 8, 8),
}
MOBILE = {
    "architecture": "mobilefacenet",
    "height": 32,
    "width": 32,
    "channels": 1,
    "embedding_size": 16,
    "widths": (8, 8, 8),
}


def workload_in(shape: dict[str, object]) -> tuple[Plan, EmbeddingNetwork, Workload]:
    plan = Plan.model_validate({"model": shape, "local_training": {"steps": 3}})
    network = initial_network(plan.model, plan.seed)
    draws = torch.Generator().manual_seed(0)
    images_CNCHW = torch.randint(256, (1, 4, 1, 32, 32), dtype=torch.uint8, generator=draws)
    row_CD = normalize(torch.randn(1, 16, generator=draws), dim=1)
    return plan, network, workload_of(plan, images_CNCHW, row_CD, network)


@pytest.mark.parametrize("channels_last", [False, True])
def test_the_bare_loop_trains_as_we_do(channels_last: bool) -> None:
    plan, network, workload = workload_in(TINY)
    images_NCHW = workload.images_CNCHW[0]
    row_D = workload.class_embeddings_CD[0]
    loop = BareLoop(workload.network, workload.local, channels_last=channels_last)
    loop.load(workload.initial)
    loop.train(images_NCHW.flip(0), -row_D)
    loop.load(workload.initial)  # and no trace is left of that one
    loop.train(images_NCHW, row_D)
    ours = LocalTrainer(network).train(Trainee(client_id(0), images_NCHW, row_D), TrainingRound(plan, 1)).model
    assert loop.state.keys() == ours.keys()
    for name, tensor in ours.items():
        torch.testing.assert_close(loop.state[name], tensor, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("shape", [TINY, MOBILE])
def test_the_bare_network_is_all_torchs_own(shape: dict[str, object], channels_last: bool) -> None:
    _, network, workload = workload_in(shape)
    images_NCHW = workload.images_CNCHW[0]
    plain = training_network(workload.network, channels_last=channels_last).eval()
    plain.load_state_dict(workload.initial)
    layers = [layer for layer in plain.modules() if not [*layer.children()]]
    assert {type(layer) for layer in layers} <= {nn.Conv2d, nn.PReLU, nn.BatchNorm2d, nn.Linear}
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    assert {layer.dilation for layer in convolutions} == {(1, 1)}
    layout = torch.channels_last if channels_last else torch.contiguous_format
    assert all(layer.weight.is_contiguous(memory_format=layout) for layer in convolutions)
    pixels_NCHW = normalised_pixels(images_NCHW, channels_last=channels_last)
    torch.testing.assert_close(plain.embed(pixels_NCHW), network.eval().features(images_NCHW))


def test_multiply_adds_are_counted_by_hand() -> None:
    network = initial_network(Plan.model_validate({"model": TINY}).model, 0)
    stages = 16 * 16 * 4 * 1 * 9 + 8 * 8 * 8 * 4 * 9 + 4 * 4 * 8 * 8 * 9 + 2 * 2 * 8 * 8 * 9
    assert multiply_adds(network) == stages + 16 * 8 * 2 * 2


@pytest.mark.parametrize("shape", [TINY, MOBILE, TINY | {"architecture": "spherenet-10"}])
def test_multiply_adds_are_the_products_of_every_layer(shape: dict[str, object]) -> None:
    network = initial_network(Plan.model_validate({"model": shape}).model, 0)
    products = []

    def count(layer: nn.Module, _inputs: object, output: torch.Tensor) -> None:
        assert isinstance(layer.weight, torch.Tensor)
        products.append(output[0].numel() * layer.weight[0].numel())

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    assert multiply_adds(network) == sum(products)


def test_the_exponent_is_that_of_a_power() -> None:
    assert Growth.of([1, 10, 100], [3, 3 * 10**0.7, 3 * 100**0.7]).exponent == pytest.approx(0.7)


def test_each_way_is_measured_as_often_as_asked() -> None:
    speeds = measure_speeds("tiny", TINY, clients=3, repetitions=2, together=(2,))
    assert list(speeds.clients_per_second) == [BARE_LOOP, BARE_LOOP_CHANNELS_LAST, ONE_AT_A_TIME, "2 at once"]
    assert all(len(each.values) == 2 and min(each.values) > 0 for each in speeds.clients_per_second.values())
    assert speeds.ratio(BARE_LOOP).median == 1


def test_the_command_writes_its_report_and_its_plot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_speeds, "SIZES", {"tiny": TINY, "mobilefacenet": MOBILE})
    monkeypatch.setattr(training_speeds, "GROWTH", {"tiny": TINY, "larger": TINY | {"widths": (8, 16, 16, 16)}})
    plot, report = tmp_path / "growth.png", tmp_path / "training.json"
    main_arguments = [
        "bench",
        "training",
        "--clients",
        "8",
        "--repetitions",
        "1",
        "--growth",
        str(plot),
        "--json",
        str(report),
    ]
    with pytest.raises(SystemExit) as done:
        main(main_arguments)
    assert done.value.code == 0
    read = TrainingReport.model_validate_json(report.read_text())
    assert [speeds.model for speeds in read.sizes] == ["tiny", "mobilefacenet"]
    assert read.exponent_of_parameters is not None
    assert plot.read_bytes().startswith(b"\x89PNG")
