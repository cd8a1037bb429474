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
from fedface_learning.models import initial_network
from loadtest.bench import in_process
from loadtest.bench.growth import Growth
from loadtest.bench.in_process import BARE, ONE_AT_A_TIME, TrainingReport, measure_speeds, multiply_adds
from loadtest.bench.plain_torch import PlainLoop, as_torch_has_it

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


@pytest.mark.parametrize("channels_last", [False, True])
def test_the_bare_loop_trains_as_we_do(channels_last: bool) -> None:
    plan = Plan.model_validate({"model": TINY, "local_training": {"steps": 3}})
    draws = torch.Generator().manual_seed(0)
    images_NCHW = torch.randint(256, (4, 1, 32, 32), dtype=torch.uint8, generator=draws)
    row_D = normalize(torch.randn(16, generator=draws), dim=0)
    loop = PlainLoop(plan, channels_last=channels_last)
    loop.train(images_NCHW.flip(0), -row_D)  # leaves no trace
    plain = loop.train(images_NCHW, row_D)
    trainer = LocalTrainer(initial_network(plan.model, plan.seed))
    ours = trainer.train(Trainee(client_id(0), images_NCHW, row_D), TrainingRound(plan, 1)).model
    assert plain.keys() == ours.keys()
    for name, tensor in ours.items():
        torch.testing.assert_close(plain[name], tensor, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [TINY, MOBILE])
def test_the_bare_network_is_all_torchs_own(shape: dict[str, object]) -> None:
    network = initial_network(Plan.model_validate({"model": shape}).model, 0)
    images_NCHW = torch.zeros(2, 1, 32, 32, dtype=torch.uint8)
    expected = network.eval()(images_NCHW)
    plain = as_torch_has_it(network).eval()
    assert {type(layer) for layer in plain.modules() if isinstance(layer, nn.PReLU)} == {nn.PReLU}
    assert {layer.dilation for layer in plain.modules() if isinstance(layer, nn.Conv2d)} == {(1, 1)}
    torch.testing.assert_close(plain(images_NCHW), expected)


def test_multiply_adds_are_counted_by_hand() -> None:
    network = initial_network(Plan.model_validate({"model": TINY}).model, 0)
    stages = 16 * 16 * 4 * 1 * 9 + 8 * 8 * 8 * 4 * 9 + 4 * 4 * 8 * 8 * 9 + 2 * 2 * 8 * 8 * 9
    assert multiply_adds(network) == stages + 16 * 8 * 2 * 2


def test_the_exponent_is_that_of_a_power() -> None:
    assert Growth.of([1, 10, 100], [3, 3 * 10**0.7, 3 * 100**0.7]).exponent == pytest.approx(0.7)


def test_each_way_is_measured_as_often_as_asked() -> None:
    speeds = measure_speeds("tiny", TINY, clients=3, repetitions=2, together=(2,))
    assert list(speeds.clients_per_second) == [BARE, "bare loop, channels-last", ONE_AT_A_TIME, "2 at once"]
    assert all(len(each.values) == 2 and min(each.values) > 0 for each in speeds.clients_per_second.values())
    assert speeds.ratio(BARE).median == 1


def test_the_command_writes_its_report_and_its_plot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_process, "SIZES", {"tiny": TINY, "mobilefacenet": MOBILE})
    monkeypatch.setattr(in_process, "GROWTH", {"tiny": TINY, "larger": TINY | {"widths": (8, 16, 16, 16)}})
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
