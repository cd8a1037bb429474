"""`fedface demo` on real photographs with the real network, through broker, store and all services."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from fedface_lab import presets, results
from fedface_learning.models.weights import load_network
from fedface_learning.seeding import use_deterministic_torch
from fedface_learning.simulation.simulate import simulate
from support.command_line import Invoke

# Half a minute of work, perhaps on a busy machine.
pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True)
class Demo:
    """What one small demo left."""

    workdir: Path
    figures: dict[str, Any]
    printed: str
    page: httpx.Response
    """What a browser got, while the run went on, from the address that the demo printed."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    workdir = tmp_path_factory.mktemp("demo") / "output"
    options = ["--rounds", "1", "--clients", "6", "--seed", "3", "--workdir", str(workdir), "--json"]
    command = [sys.executable, "-m", "fedface_cli.main", "demo", *options]
    printed: list[str] = []
    pages: list[httpx.Response] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stderr:
            printed.append(line)
            if address := re.search(r"watch it in a browser: (\S+)$", line):
                pages.append(httpx.get(address[1], trust_env=False, timeout=60))
        out = process.stdout.read()
    assert process.returncode == 0, out + "".join(printed)
    (page,) = pages
    return Demo(workdir, json.loads(out), "".join(printed), page)


def test_the_figures_are_complete_and_sound(demo: Demo) -> None:
    assert set(demo.figures) == {"before", "after", "rounds", "model_sha256", "model", "roc_plot", "seconds"}
    assert demo.figures["rounds"] == 1
    for scores in (demo.figures["before"], demo.figures["after"]):
        assert set(scores) >= {
            "tar@1e-1",
            "tar@1e-2",
            "tar@1e-3",
            "auc",
            "eer",
            "mean_genuine_cosine",
            "mean_impostor_cosine",
        }
        # Pre-trained and centred, dlib's network tells these people apart; a network broken on the way does not.
        assert scores["tar@1e-1"] > 0.8
        assert scores["mean_genuine_cosine"] > scores["mean_impostor_cosine"] + 0.3
    assert demo.figures["before"] != demo.figures["after"]


def test_the_address_that_it_prints_is_the_runs_live_page(demo: Demo) -> None:
    assert demo.page.status_code == 200
    assert f'sse-connect="{demo.page.url.path}/live"' in demo.page.text, "the run has not ended, and the page follows it"


def test_the_model_is_the_one_that_was_named(demo: Demo) -> None:
    model = (demo.workdir / "model.safetensors").read_bytes()
    assert hashlib.sha256(model).hexdigest() == demo.figures["model_sha256"]
    assert demo.figures["model_sha256"] in demo.printed


def test_the_plot_is_there_and_the_state_is_not(demo: Demo) -> None:
    with Image.open(demo.workdir / "roc.png") as image:
        assert image.width > 500
    assert sorted(path.name for path in demo.workdir.iterdir()) == ["logs", "model.safetensors", "roc.png"]


def test_it_ends_with_the_table_before_and_after(demo: Demo) -> None:
    before = demo.figures["before"]
    after = demo.figures["after"]
    row = rf"TAR at FAR 1e-1\s+{100 * before['tar@1e-1']:.2f} %\s+{100 * after['tar@1e-1']:.2f} %"
    assert re.search(row, demo.printed)


@pytest.mark.long
def test_the_seed_alone_gives_the_model(demo: Demo) -> None:
    """A simulation of the plan in this process, without any service, gives the model and its figures to the byte."""
    use_deterministic_torch(1)
    plan = presets.orl(clients=6, rounds=1, seed=3)
    centre = simulate(presets.orl_centre(plan)).model
    simulated = simulate(plan, initial=load_network(plan.model, centre, "the centre's run"))
    assert simulated.model_sha256 == demo.figures["model_sha256"]
    verification = simulated.rounds[-1].verification
    assert verification is not None
    assert json.loads(json.dumps(results.figures(verification.scores))) == demo.figures["after"]


def test_more_clients_than_people_are_refused_before_anything_starts(fedface: Invoke, tmp_path: Path) -> None:
    status, _, err = fedface("demo", "--clients", "21", "--workdir", str(tmp_path / "none"))
    assert status == 2
    assert "--clients 21: at most 20" in err
    assert not (tmp_path / "none").exists()
