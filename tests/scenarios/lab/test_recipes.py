"""The recipes for large data sets: each of their commands, as documented, on a tiny stand-in of the same layout."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fedface_cli.plan_files import read_plan
from fedface_core.domain.plan import Plan
from fedface_learning.data.alignment import TEMPLATES
from fedface_learning.device import has_gpu
from fedface_learning.models.weights import load_network
from fedface_learning.pretraining import PretrainPlan
from fedface_learning.simulation.simulate import simulate
from support.api_by_hand import ByHand
from support.command_line import Invoke
from support.protocol_trees import ijb_a_tree, ijb_bc_tree, lfw_pairs

DOCS = Path(__file__).parents[3] / "docs"
RECIPES = ["casia_webface"]

SMALL_MODEL = {"architecture": "spherenet-4", "height": 28, "width": 24, "embedding_size": 8, "widths": [4, 4, 8, 8]}
SMALL_SPLIT = {"public": 3, "clients": 2, "test": 2}


def documented(recipe: str) -> list[str]:
    """The commands of a recipe, in order."""
    return re.findall(r"^\$ (.*)$", (DOCS / "settings" / f"{recipe}.md").read_text(), re.MULTILINE)


def raw_photographs(folder: Path, people: int, images: int, path: str = "{person:07d}/{image:03d}.jpg") -> None:
    draws = np.random.default_rng(0)
    for person in range(people):
        for image in range(1, images + 1):
            file = folder / path.format(person=person, image=image)
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(draws.integers(0, 256, (112, 96, 3), np.uint8)).save(file)


def protocol_files(raw: Path) -> None:
    """LFW, IJB-A and IJB-C under ``raw``, laid out as the recipe asks; one of LFW's faces is missing."""
    raw_photographs(raw / "lfw", people=12, images=3, path="P{person:02}/P{person:02}_{image:04}.jpg")
    (raw / "lfw" / "P03" / "P03_0001.jpg").unlink()
    (raw / "pairs.txt").write_text(lfw_pairs(10, 4, "10\t4"))
    ijb_a_tree(raw / "IJB-A")
    ijb_bc_tree(raw / "IJBC", "ijbc", ("G1", "G2"))
    loose = (raw / "IJBC" / "images").rename(raw / "IJBC" / "loose_crop")
    points = " ".join(f"{number * 24 / 112:.3f}" for point in TEMPLATES["112x96"].points for number in point)
    scores = "".join(f"{file.name} {points} 0.99\n" for file in sorted(loose.iterdir()))
    (raw / "IJBC" / "meta" / "ijbc_name_5pts_score.txt").write_text(scores)


def points_of_each(raw: Path) -> str:
    """The template's own points for every photograph of CASIA-WebFace and LFW."""
    points = ",".join(f"{number}" for point in TEMPLATES["112x96"].points for number in point)
    folders = (raw / "CASIA-WebFace", raw / "lfw")
    return "".join(f"{file.relative_to(folder)},{points}\n" for folder in folders for file in folder.rglob("*.jpg"))


def in_small(recipe: str, folder: Path) -> None:
    """Write the recipe's own plan and settings into ``folder``, with smaller sizes."""
    plan: dict[str, Any] = tomllib.loads((DOCS / "plans" / f"{recipe}.toml").read_text())
    plan["model"] |= SMALL_MODEL
    plan["split"] |= SMALL_SPLIT
    (folder / f"{recipe}.toml").write_text(json.dumps(plan | {"rounds": 2}))
    settings = tomllib.loads((DOCS / "settings" / f"{recipe}_pretrain.toml").read_text())
    (folder / f"{recipe}_pretrain.toml").write_text(json.dumps(settings | {"epochs": 1, "batch_size": 4}))


def _here(line: str) -> str:
    """A command of a recipe by the torchrun of this environment, and without a GPU where there is none."""
    line = line.replace("torchrun ", f"{sys.executable} -m torch.distributed.run ")
    return line if has_gpu() else line.replace(" --device cuda --precision tf32", "")


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_whole_recipe_is_valid(recipe: str) -> None:
    plan = read_plan(DOCS / "plans" / f"{recipe}.toml")
    PretrainPlan.model_validate(tomllib.loads((DOCS / "settings" / f"{recipe}_pretrain.toml").read_text()))
    shape = (plan.model.architecture, plan.model.height, plan.model.width, plan.model.embedding_size)
    assert shape == ("spherenet-64", 112, 96, 512)
    assert (plan.split.public, plan.split.clients, plan.initialisation) == (9000, 1000, "mean-feature")


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_command_of_the_recipe_runs(
    fedface: Invoke, api: ByHand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str
) -> None:
    monkeypatch.chdir(tmp_path)
    raw_photographs(tmp_path / "raw" / "CASIA-WebFace", people=8, images=3)
    protocol_files(tmp_path / "raw")
    (tmp_path / "given.csv").write_text(points_of_each(tmp_path / "raw"))
    in_small(recipe, tmp_path)
    sha256 = ""
    run = ""
    seen: set[str] = set()
    figures: dict[str, Any] = {}
    for line in documented(recipe):
        if not line.startswith("fedface "):
            subprocess.run(_here(line), shell=True, check=True)
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
            case ["evaluate", *options] if "--protocol" in options:
                code, out, err = fedface(*command, "--json")
                found = json.loads(out)
                figures[found["protocol"]] = found
            case _:
                code, out, err = fedface(*command)
        assert code == 0, (command, err)
        if command[:2] == ["model", "upload"]:
            sha256 = out.strip()
        if command[:2] == ["run", "create"]:
            run = out.strip()
    assert {"data prepare", "model upload", "run create", "run watch", "model download"} <= seen
    assert figures.keys() == {"lfw", "ijb-a", "ijb-c"}
    assert [figures[name]["counts"].get("missing images") for name in ("lfw", "ijb-a", "ijb-c")] == [1, 0, 0]
    assert figures["lfw"]["counts"]["genuine pairs"] == figures["lfw"]["counts"]["impostor pairs"] == 40
    assert figures["ijb-a"]["figures"]["1:1 TAR at FAR 1e-2"]["value"] is None  # a stand-in cannot resolve it
    assert figures["ijb-c"]["figures"]["1:N rank 5"]["value"] == 1.0  # of three people in a gallery


def _simulated(plan: Plan, pretrained: bytes) -> bytes:
    """The run's last model version, from the pre-trained weights."""
    return simulate(plan, initial=load_network(plan.model, pretrained, "the pre-trained network")).model
