"""The studies and plans under docs/: each is one, within the budget of a new run, and a study says what it compares."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from fedface_cli.plan_files import read_plan
from fedface_core.domain.budget import DEFAULT_BUDGET, require_within
from fedface_lab.study.grid import expand
from fedface_lab.study.study_file import read_study
from fedface_learning.pretraining import PretrainPlan

DOCS = Path(__file__).parents[3] / "docs"
STUDIES = sorted((DOCS / "studies").glob("*.toml"))


@pytest.mark.parametrize("path", STUDIES, ids=[path.stem for path in STUDIES])
def test_every_plan_of_the_study_is_valid_and_its_arms_differ(path: Path) -> None:
    jobs = expand(read_study(path), path)
    assert len({job.digest for job in jobs}) == len(jobs)
    for job in jobs:
        require_within(job.plan, DEFAULT_BUDGET)
    assert {job.seed for job in jobs} == set(read_study(path).repeat.seeds)


def test_there_are_studies() -> None:
    assert {"orl", "public_negatives", "small", "synthetic", "synthetic_ablation"} <= {path.stem for path in STUDIES}


@pytest.mark.parametrize("path", sorted((DOCS / "plans").iterdir()), ids=lambda path: path.stem)
def test_every_plan_is_valid(path: Path) -> None:
    require_within(read_plan(path), DEFAULT_BUDGET)


@pytest.mark.parametrize(
    ("plan", "study", "arm"),
    [("rendered_faces", "rivals", "gaussian-negatives"), ("nothing_public", "no_public_test", "anchor")],
)
def test_the_run_is_the_studys_arm(plan: str, study: str, arm: str) -> None:
    """A figure of the study is a figure of the run: the same plan but for name and weights, the same pre-training."""
    path = DOCS / "studies" / f"{study}.toml"
    run = read_plan(DOCS / "plans" / f"{plan}.toml")
    how = PretrainPlan.model_validate(tomllib.loads((DOCS / "settings" / "rendered_faces_pretrain.toml").read_text()))
    job = next(job for job in expand(read_study(path), path) if (job.arm, job.seed) == (arm, 0))
    assert run.model_copy(update={"name": job.plan.name}) == job.plan
    assert how == job.pretrain
