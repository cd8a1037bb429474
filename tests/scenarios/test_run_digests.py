"""The digests that compare two states of the code: they are the same for each run of one plan, and show differences."""

from __future__ import annotations

from pathlib import Path

from support.in_process import InProcess
from support.run_digests import IN_DISORDER, KILL_AFTER, of_kind, of_services
from support.tiny_run import tiny_plan


def test_the_digests_of_a_run_are_the_same_each_time_and_the_model_whatever_happens(faces: Path) -> None:
    plan = tiny_plan(faces, rounds=1)
    first = dict(of_kind("a", plan))
    assert first == dict(of_kind("a", plan))
    assert len({digest for name, digest in first.items() if name.endswith("model")}) == 1


def test_another_seed_and_a_kill_are_seen(faces: Path) -> None:
    plan = tiny_plan(faces, rounds=1)
    other = tiny_plan(faces, rounds=1, seed=1, initialisation="random")
    digests = [
        dict(of_services("a", services))
        for services in (
            InProcess(plan, IN_DISORDER),
            InProcess(other, IN_DISORDER),
            InProcess(plan, IN_DISORDER, kill_after=KILL_AFTER),
        )
    ]
    models = [digest["a: model"] for digest in digests]
    effects = [next(value for name, value in digest.items() if "effects" in name) for digest in digests]
    assert models[0] == models[2] != models[1]
    assert len(set(effects)) == 3
