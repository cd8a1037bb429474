"""From a study to its jobs: every arm, at every point of the grid, with every seed."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from fedface_cli.plan_files import make_part
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import Plan
from fedface_core.domain.results import far_label
from fedface_lab.study.study_file import Study, Tree, leaves
from fedface_learning.pretraining import PretrainPlan

# Part of every result's name: raise it when the same plan comes to something else, or is stored in another form.
RESULT_SCHEMA: Final = 1

Point = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Job:
    """One simulated run. Two jobs of one ``digest`` come to the same."""

    arm: str
    point: Point  # field and value on each axis of the grid
    seed: int
    plan: Plan
    pretrain: PretrainPlan | None
    scored: tuple[int, ...]  # the rounds
    keeps_embeddings: bool

    @property
    def title(self) -> str:
        """What people call it."""
        return ", ".join([self.arm, *(f"{field}={value}" for field, value in self.point), f"seed {self.seed}"])

    @cached_property
    def digest(self) -> str:
        """Of all that its result follows from."""
        return digest_of(
            {
                "plan": self.plan.model_dump(mode="json"),
                "pretrain": self.pretrain and self.pretrain.model_dump(mode="json"),
                "scored": self.scored,
                "embeddings": self.keeps_embeddings,
            }
        )


def digest_of(parts: Mapping[str, Any]) -> str:
    """20 hexadecimal digits: a file's name."""
    text = json.dumps({"schema": RESULT_SCHEMA, **parts}, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def points(study: Study) -> list[Point]:
    """Every combination of the grid's values; one empty point where there is no grid."""
    return [tuple(zip(study.grid, values, strict=True)) for values in itertools.product(*study.grid.values())]


def expand(study: Study, source: Path) -> list[Job]:
    """The jobs, each seed's before the next's, so that a study that is stopped has compared all arms.

    `InvalidInputError` names the first that is no plan, and its wrong fields.
    """
    jobs = []
    for seed, (arm, changes), point in itertools.product(study.repeat.seeds, study.arms.items(), points(study)):
        where = f"{source}, {', '.join([f'arm {arm}', *(f'{field}={value}' for field, value in point)])}, seed {seed}"
        tree: Tree = {} if study.pretrain is None else {"pretrain": {}}
        common = [*leaves(study.plan), *leaves({"pretrain": study.pretrain or {}})]
        for field, value in (*common, *leaves(changes), *point, *((field, seed) for field in study.repeat.fields)):
            _set(tree, field, value, where)
        pretrain = tree.pop("pretrain", None)
        plan = make_part(Plan, tree, f"{where}: this is not a plan")
        how = None if pretrain is None else make_part(PretrainPlan, pretrain, f"{where}: [pretrain] is wrong")
        _check(plan, how, study.metric, where)
        job = Job(arm, point, seed, plan, how, tuple(_scored(plan, study)), keeps_embeddings=seed == study.repeat.seeds[0])
        jobs.append(job)
    return jobs


def _check(plan: Plan, how: PretrainPlan | None, metric: str, where: str) -> None:
    if plan.model.weights not in (("random",) if how else ("random", "published")):
        allowed = "random, for [pretrain] trains the initial network" if how else "random or published"
        raise InvalidInputError(f"{where}: model.weights is {plan.model.weights}; in this study it must be {allowed}")
    known = [*(f"tar@{far_label(far)}" for far in plan.far), "auc", "eer"]
    if metric not in known:
        raise InvalidInputError(f"{where}: metric is {metric!r}, but the plan gives {', '.join(known)}")


def _scored(plan: Plan, study: Study) -> Iterator[int]:
    return (number for number in range(plan.rounds + 1) if number % study.score_every == 0 or number == plan.rounds)


def _set(tree: Tree, field: str, value: Any, where: str) -> None:
    """Set a dotted field of nested tables."""
    *tables, last = field.split(".")
    for name in tables:
        tree = tree.setdefault(name, {})
        if not isinstance(tree, dict):
            raise InvalidInputError(f"{where}: {field} sets a field of {name}, which is set to {tree!r} as a whole")
    tree[last] = copy.deepcopy(value)  # a table that a later field changes is each job's own
