"""The benchmark beside the peers: its figures, its ratios, and what it refuses to report. No peer is needed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fedface_core.domain.plan import Plan
from fedface_learning.models import initial_network
from fedface_learning.models.weights import network_tensors
from loadtest.bare.networks import plain_network
from loadtest.bare.workload import Workload, read_workload, write_workload
from loadtest.bench.plan_workload import enrolled_workload, workload_of
from loadtest.peers.agreement import ModelsDisagreeError, check_agreement, largest_difference
from loadtest.peers.comparison import Comparison, compare, interpreters
from loadtest.peers.environments import EnvironmentUnavailableError, python_of
from loadtest.peers.measure import Measured
from loadtest.peers.plot import draw
from loadtest.peers.runner_result import RunnerResult, read_runner_result, write_runner_result
from loadtest.peers.sizes import Size, plan_of
from loadtest.peers.systems import LIMITS, SYSTEMS, System
from loadtest.peers.tables import columns, markdown

LIMIT, FLOWER, OURS = SYSTEMS["bare-loop"], SYSTEMS["flower"], SYSTEMS["ours"]
MODEL = {"weight": torch.tensor([1.0, 2.0]), "batches": torch.tensor(3)}


@pytest.fixture(scope="module")
def workload() -> Workload:
    return enrolled_workload(plan_of(Size.TINY))


def measured(*rounds: float, model: Mapping[str, Tensor] = MODEL) -> Measured:
    return Measured(1.0, 5.0, rounds, sum(rounds), model, "2.13.0")


def compared(workload: Workload, unavailable: Mapping[str, str] | None = None) -> Comparison:
    """Two repetitions of three rounds; in the second one everything takes twice as long."""

    def take(system: System, repetition: int) -> Measured:
        slower = (1 + repetition) * (1 if system is LIMIT else 4)
        return measured(1.0 * slower, 2.0 * slower, 9.0 * slower)

    return compare(Size.TINY, workload, [LIMIT, OURS], take, 2, unavailable or {})


def test_a_repetition_counts_by_its_median_round_and_is_held_against_the_limit_beside_it(workload: Workload) -> None:
    limit, ours = compared(workload).systems
    assert limit.round_seconds.values == (2.0, 4.0)
    assert ours.round_seconds.values == (8.0, 16.0)
    assert ours.rounds == ((4.0, 8.0, 36.0), (8.0, 16.0, 72.0))
    assert ours.clients_per_second == 6 / 12.0
    assert ours.speeds["bare-loop"].values == (0.25, 0.25)
    assert limit.speeds["bare-loop"].values == (1.0, 1.0)
    assert set(ours.speeds) == {"bare-loop"}, "a limit that was not measured is no column"


def test_the_systems_take_turns(workload: Workload) -> None:
    order: list[tuple[str, int]] = []

    def take(system: System, repetition: int) -> Measured:
        order.append((system.name, repetition))
        return measured(1.0)

    compare(Size.TINY, workload, [LIMIT, OURS], take, 2, {})
    assert order == [("bare-loop", 0), ("ours", 0), ("bare-loop", 1), ("ours", 1)]


def test_systems_whose_models_differ_are_not_compared(workload: Workload) -> None:
    def take(system: System, repetition: int) -> Measured:
        off = 2e-4 if (system, repetition) == (OURS, 1) else 5e-5
        return measured(1.0, model=MODEL if system is LIMIT else {**MODEL, "weight": MODEL["weight"] + off})

    with pytest.raises(ModelsDisagreeError, match=r"FedFace.*differs from that of bare loop.*by 0\.0002"):
        compare(Size.TINY, workload, [LIMIT, OURS], take, 2, {})
    assert compare(Size.TINY, workload, [LIMIT, OURS], take, 1, {}).systems[1].largest_difference == pytest.approx(
        5e-5, rel=0.01
    )


def test_differences_look_at_every_float_and_at_nothing_else() -> None:
    assert largest_difference({**MODEL, "batches": torch.tensor(7)}, MODEL) == 0.0
    assert largest_difference({**MODEL, "weight": torch.tensor([1.0, 2.5])}, MODEL) == 0.5
    for other in ({"weight": MODEL["weight"]}, {**MODEL, "weight": torch.ones(3)}):
        with pytest.raises(ModelsDisagreeError, match="inf"):
            check_agreement(other, MODEL, "a", "b")
    with pytest.raises(ModelsDisagreeError, match="nan"):
        check_agreement({**MODEL, "weight": torch.tensor([1.0, float("nan")])}, MODEL, "a", "b")


def test_an_environment_that_cannot_be_made_is_named_with_its_reason(tmp_path: Path) -> None:
    impossible = tmp_path / "requirements.txt"
    impossible.write_text("--no-index\nno-such-package-anywhere==1.0\n")
    with pytest.raises(EnvironmentUnavailableError, match="no-such-package-anywhere"):
        python_of("flower", tmp_path, impossible)


def test_an_environment_is_made_again_only_where_it_asks_for_something_else(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# nothing\n")
    python = python_of("flower", tmp_path, requirements)
    assert python.is_file()
    (mark := python.parent / "mark").touch()
    assert python_of("flower", tmp_path, requirements) == python
    assert mark.exists()
    requirements.write_text("# something else, but nothing\n")
    python_of("flower", tmp_path, requirements)
    assert not mark.exists()


def test_a_peer_without_an_environment_is_reported_and_not_left_out(
    workload: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str, folder: Path) -> Path:
        raise EnvironmentUnavailableError(f"no {name} in {folder.name}")

    monkeypatch.setattr("loadtest.peers.comparison.python_of", refuse)
    pythons, unavailable = interpreters([LIMIT, FLOWER, OURS], tmp_path / "folder")
    assert pythons == {"bare-loop": None, "ours": None}
    assert unavailable == {"flower": "no flower in folder"}
    comparison = compared(workload, unavailable)
    assert columns(comparison)[0].cells[-1] == FLOWER.label
    assert columns(comparison)[1].cells[-1] == "not measured"
    text = markdown(comparison)
    assert f"| {FLOWER.label} | not measured |" in text
    assert "no flower in folder" in text
    assert Comparison.model_validate_json(comparison.model_dump_json()) == comparison


def test_the_picture_is_a_png(workload: Workload, tmp_path: Path) -> None:
    draw(compared(workload), tmp_path / "peers.png")
    assert (tmp_path / "peers.png").read_bytes().startswith(b"\x89PNG")


def test_a_workload_and_a_result_are_read_back_as_they_were_written(workload: Workload, tmp_path: Path) -> None:
    write_workload(workload, tmp_path / "workload")
    read = read_workload(tmp_path / "workload")
    assert (read.network, read.local, read.spreadout) == (workload.network, workload.local, workload.spreadout)
    assert read.plan == workload.plan
    assert Plan.model_validate_json(read.plan) == plan_of(Size.TINY)
    assert torch.equal(read.images_CNCHW, workload.images_CNCHW)
    assert torch.equal(read.class_embeddings_CD, workload.class_embeddings_CD)
    assert largest_difference(read.initial, workload.initial) == 0.0
    write_runner_result(RunnerResult((1.0, 3.0, 4.5), MODEL, "2.13.0"), tmp_path / "result")
    result = read_runner_result(tmp_path / "result")
    assert result.rounds == (2.0, 1.5)
    assert result.torch == "2.13.0"
    assert largest_difference(result.first_model, MODEL) == 0.0


@pytest.mark.parametrize("size", Size)
def test_the_plain_network_is_ours_with_the_same_weights(size: Size) -> None:
    plan = plan_of(size)
    model = plan.model
    ours = initial_network(model, 0)
    nothing = torch.empty(1, 1)
    plain = plain_network(workload_of(plan, nothing, nothing, ours).network)
    plain.load_state_dict(network_tensors(ours))
    pixels_NCHW = torch.rand(2, model.channels, model.height, model.width, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        difference = (plain.eval().embed(pixels_NCHW) - ours.eval().features_of_pixels(pixels_NCHW)).abs().max()
    assert difference < 1e-5 * ours.features_of_pixels(pixels_NCHW).abs().max()


def test_every_system_has_a_runner_and_every_peer_its_requirements() -> None:
    home = Path(__file__).parents[3] / "loadtest" / "peers"
    assert set(LIMITS) <= set(SYSTEMS)
    for system in SYSTEMS.values():
        assert (home / "runners" / f"{system.runner}.py").is_file()
        assert system.environment is None or (home / f"requirements-{system.environment}.txt").is_file()


def test_what_the_peers_environments_run_needs_nothing_of_ours() -> None:
    """The rest is for import-linter: the peers themselves are not installed here."""
    modules = ["loadtest.peers.runners.__main__", "loadtest.bare.rounds", "loadtest.bare.spreadout"]
    script = f"""
import importlib, sys

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("pydantic", "typer", "rich") or name.startswith("fedface_"):
            raise ImportError(f"{{name}} is not installed here")

sys.meta_path.insert(0, Refused())
for name in {modules}:
    importlib.import_module(name)
try:
    import fedface_core
except ImportError:
    print("all but ours")
"""
    root = Path(__file__).parents[3]
    ended = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert ended.stdout == "all but ours\n"
