"""The recipes for large data sets: each of their commands, as documented, on a tiny stand-in of the same layout."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fedface_cli.plan_files import read_plan
from fedface_core.domain.plan import Plan
from fedface_core.learning.data.alignment import TEMPLATES
from fedface_core.learning.pretraining import PretrainPlan
from fedface_core.learning.simulation import simulate
from fedface_core.learning.weights import load_network

from .conftest import ByHand, Invoke

EXPERIMENTS = Path(__file__).parents[3] / "docs" / "experiments"
RECIPES = ["casia_webface"]

SMALL_MODEL = {"architecture": "spherenet-4", "height": 28, "width": 24, "embedding_size": 8, "widths": [4, 4, 8, 8]}
SMALL_SPLIT = {"public": 3, "clients": 2, "test": 2}


def documented(recipe: str) -> list[str]:
    """The commands of a recipe, in order."""
    return re.findall(r"^\$ (.*)$", (EXPERIMENTS / f"{recipe}.md").read_text(), re.MULTILINE)


def raw_photographs(folder: Path, people: int, images: int) -> None:
    draws = np.random.default_rng(0)
    for person in range(people):
        for image in range(1, images + 1):
            file = folder / f"{person:07d}" / f"{image:03d}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(draws.integers(0, 256, (112, 96, 3), np.uint8)).save(file)


def in_small(recipe: str, folder: Path) -> None:
    """The recipe's own files, with nothing but their sizes changed."""
    plan: dict[str, Any] = tomllib.loads((EXPERIMENTS / f"{recipe}.toml").read_text())
    plan["model"] |= SMALL_MODEL
    plan["split"] |= SMALL_SPLIT
    (folder / f"{recipe}.toml").write_text(json.dumps(plan | {"rounds": 2}))
    settings = tomllib.loads((EXPERIMENTS / f"{recipe}_pretrain.toml").read_text())
    (folder / f"{recipe}_pretrain.toml").write_text(json.dumps(settings | {"epochs": 1, "batch_size": 4}))


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_whole_recipe_is_valid(recipe: str) -> None:
    plan = read_plan(EXPERIMENTS / f"{recipe}.toml")
    PretrainPlan.model_validate(tomllib.loads((EXPERIMENTS / f"{recipe}_pretrain.toml").read_text()))
    shape = (plan.model.architecture, plan.model.height, plan.model.width, plan.model.embedding_size)
    assert shape == ("spherenet-64", 112, 96, 512)
    assert (plan.split.public, plan.split.clients, plan.initialisation) == (9000, 1000, "mean-feature")


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_command_of_the_recipe_runs(
    fedface: Invoke, api: ByHand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str
) -> None:
    monkeypatch.chdir(tmp_path)
    raw_photographs(tmp_path / "raw" / "CASIA-WebFace", people=8, images=3)
    raw_photographs(tmp_path / "raw" / "lfw", people=3, images=1)
    points = ",".join(f"{number}" for point in TEMPLATES["112x96"].points for number in point)
    (tmp_path / "given.csv").write_text(
        "".join(f"{person:07d}/{image:03d}.jpg,{points}\n" for person in range(8) for image in (1, 2, 3))
    )
    in_small(recipe, tmp_path)
    raw_photographs(tmp_path / "raw" / "IJBC" / "loose_crop", people=1, images=2)
    (tmp_path / "raw" / "IJBC" / "meta").mkdir()
    scores = "".join(f"0000000/{image:03d}.jpg {points.replace(',', ' ')} 0.99\n" for image in (1, 2))
    (tmp_path / "raw" / "IJBC" / "meta" / "ijbc_name_5pts_score.txt").write_text(scores)
    sha256, run = "", ""
    seen = set()
    for line in documented(recipe):
        if not line.startswith("fedface "):
            subprocess.run(line, shell=True, check=True)
            continue
        command = [argument.replace("SHA256", sha256).replace("RUN", run) for argument in shlex.split(line)[1:]]
        seen.add(" ".join(command[:2]))
        match command:
            case ["data", "prepare", source, target, "--template", "112x96", *given]:  # No face is to be found in noise.
                code, out, err = fedface(*command, *(given or ["--landmarks", "given.csv"]))
                photographs = len(list(Path(source).rglob("*.jpg")))
                assert f"{photographs} of {photographs} photographs are in {target}" in out
            case ["run", "watch", _]:  # There are no workers here: the same rounds in this process.
                stored = api.ports.ledger.load(run).plan
                assert stored.model.weights == sha256
                trained = _simulated(stored, (tmp_path / "pretrained.safetensors").read_bytes())
                continue
            case ["model", "download", _, "--output", output]:
                (tmp_path / output).write_bytes(trained)
                continue
            case ["evaluate", *_, "--protocol", _, "--pairs", _, "--images", _]:
                continue
            case _:
                code, out, err = fedface(*command)
        assert code == 0, (command, err)
        if command[:2] == ["model", "upload"]:
            sha256 = out.strip()
        if command[:2] == ["run", "create"]:
            run = out.strip()
    assert {"data prepare", "model upload", "run create", "run watch", "model download"} <= seen


def _simulated(plan: Plan, pretrained: bytes) -> bytes:
    """The run's last model version, from the pre-trained weights."""
    return simulate(plan, initial=load_network(plan.model, pretrained, "the pre-trained network")).model
