"""Expands a study into its jobs: every arm, at every point of the grid, with every seed."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from fedface_cli.plan_files import make_part
from fedface_core.domain.device_kinds import DeviceKind
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.merge_patch import apply_merge_patch
from fedface_core.domain.results import far_label
from fedface_lab.study.study_file import Study, Tree, leaves
from fedface_learning.data import ScoredPart
from fedface_learning.pretraining import PretrainPlan
from fedface_learning.simulation.fused_rounds import require_fusable

# Part of the name of every result: raise it if a plan gives another result than before, or if its form changes.
RESULT_SCHEMA: Final = 2

Point = tuple[tuple[str, Any], ...]
"""A point of the grid: a field and its value on each axis."""

_NAME: Final = "name"
"""The field that names a choice which has parameters of its own; at the root of a plan, the plan's name."""


@dataclass(frozen=True)
class Job:
    """One simulated run of a study. Jobs with equal ``digest`` have equal results."""

    arm: str
    point: Point
    seed: int
    plan: Plan
    pretrain: PretrainPlan | None
    scored_rounds: tuple[int, ...]
    keeps_embeddings: bool
    scored_part: ScoredPart = "test"
    fused: bool = False
    """Whether each round is computed as one batch."""
    centred: bool = False
    """Whether the mean feature of the clients is the centre of the network that it starts from."""
    recentred: bool = False
    """Whether the mean feature of the clients, by the last model, becomes the centre of that model before it is scored."""

    @property
    def title(self) -> str:
        """The job's name for people: arm, grid point and seed, and which of `centred`, `recentred` and `fused` it is."""
        parts = [self.arm, *(f"{field}={value}" for field, value in self.point), f"seed {self.seed}"]
        traits = {"centred": self.centred, "recentred": self.recentred, "fused rounds": self.fused}
        return ", ".join([*parts, *(trait for trait, has_it in traits.items() if has_it)])

    def on_device(self, kind: DeviceKind) -> Job:
        """The job on this kind of device: its results differ in rounding, so it is another job."""
        pretrain = None if self.pretrain is None else make_part(PretrainPlan, self.pretrain.model_dump() | {"device": kind})
        return replace(self, plan=apply_merge_patch(self.plan, {"compute": {"device": kind}}), pretrain=pretrain)

    @cached_property
    def digest(self) -> str:
        """The digest of everything that determines the result; the result's file is named by it."""
        plan = self.plan.model_dump(mode="json")
        plan["cohort"].setdefault("minimum", 1)  # as it once was by default: it changes no result of a simulation
        parts: dict[str, Any] = {
            "plan": plan,
            "pretrain": self.pretrain and self.pretrain.model_dump(mode="json"),
            "scored": self.scored_rounds,
            "embeddings": self.keeps_embeddings,
        }
        # Other results keep the names that they had: all are of test people, and of faithful rounds.
        if self.scored_part != "test":
            parts["part"] = self.scored_part
        if self.fused:
            parts["fused"] = True
        if self.centred:
            parts["centred"] = True
        if self.recentred:
            parts["recentred"] = True
        return digest_of(parts)


def digest_of(parts: Mapping[str, Any]) -> str:
    """The first 20 hexadecimal digits of the SHA-256 of ``parts`` as JSON, together with `RESULT_SCHEMA`."""
    text = json.dumps({"schema": RESULT_SCHEMA, **parts}, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def grid_points(study: Study) -> list[Point]:
    """Every combination of the grid's values; a single empty point if the study has no grid."""
    return [tuple(zip(study.grid, values, strict=True)) for values in itertools.product(*study.grid.values())]


def expand(study: Study, source: Path) -> list[Job]:
    """The jobs of a study, ordered by seed, so that a study that is stopped early has compared all arms.

    ``source`` is the study's file, for error messages. Raises `InvalidInputError`, which names the wrong fields, if an arm
    at a point with a seed is not a valid plan.
    """
    jobs = []
    for seed, (arm, changes), point in itertools.product(study.repeat.seeds, study.arms.items(), grid_points(study)):
        where = f"{source}, {', '.join([f'arm {arm}', *(f'{field}={value}' for field, value in point)])}, seed {seed}"
        tree: Tree = {} if study.pretrain is None else {"pretrain": {}}
        seeded = [(field, seed) for field in study.repeat.fields]
        for layer in (leaves(study.plan), leaves({"pretrain": study.pretrain or {}}), leaves(changes), point, seeded):
            for field, value in sorted(layer, key=_is_no_name):
                _set_field(tree, field, value, where)
        pretrain_fields = tree.pop("pretrain", None)
        plan = make_part(Plan, tree, f"{where}: this is not a plan")
        pretrain: PretrainPlan | None = None
        if pretrain_fields is not None:
            pretrain = make_part(PretrainPlan, pretrain_fields, f"{where}: [pretrain] is wrong")
        _check_plan(plan, pretrain, study, where)
        fused = arm in study.fused
        if fused:
            _check_fusable(plan, where)
        centred = arm in study.centred
        if centred and plan.model.centring:
            raise InvalidInputError(f"{where}: the arm is centred before round 0; set model.centring to false")
        is_first_seed = seed == study.repeat.seeds[0]
        scored = _scored_rounds(plan, study)
        recentred = arm in study.recentred
        part = study.scored_part
        jobs.append(Job(arm, point, seed, plan, pretrain, scored, is_first_seed, part, fused, centred, recentred))
    return jobs


def _is_no_name(leaf: tuple[str, object]) -> bool:
    """The order in which fields are set: the name of a choice first, then its parameters."""
    return leaf[0].rpartition(".")[2] != _NAME


def _check_plan(plan: Plan, pretrain: PretrainPlan | None, study: Study, where: str) -> None:
    if plan.model.weights not in (("random",) if pretrain else ("random", "published")):
        allowed = "random, for [pretrain] trains the initial network" if pretrain else "random or published"
        raise InvalidInputError(f"{where}: model.weights is {plan.model.weights}; in this study it must be {allowed}")
    known = [*(f"tar@{far_label(far)}" for far in plan.far), "auc", "eer"]
    if study.metric not in known:
        raise InvalidInputError(f"{where}: metric is {study.metric!r}, but the plan gives {', '.join(known)}")
    if study.scored_part == "validation" and not plan.split.validation:
        raise InvalidInputError(f"{where}: scored_part is validation, but the plan has no such people: set split.validation")


def _check_fusable(plan: Plan, where: str) -> None:
    try:
        require_fusable(plan)
    except InvalidInputError as error:
        raise InvalidInputError(f"{where}: {error}") from error


def _scored_rounds(plan: Plan, study: Study) -> tuple[int, ...]:
    """The rounds to score. Where settings are chosen on validation people, test people are for the end."""
    if study.scored_part == "test" and plan.split.validation:
        return (0, plan.rounds)
    return tuple(number for number in range(plan.rounds + 1) if number % study.score_every == 0 or number == plan.rounds)


def _set_field(tree: Tree, field: str, value: Any, where: str) -> None:
    """Set the value of a dotted field in nested tables, and make the tables that are missing.

    The name of another choice, such as another server optimiser, takes away the parameters of the one before.
    """
    *tables, last = field.split(".")
    for name in tables:
        tree = tree.setdefault(name, {})
        if not isinstance(tree, dict):
            raise InvalidInputError(f"{where}: {field} sets a field of {name}, which is set to {tree!r} as a whole")
    if tables and last == _NAME and tree.get(_NAME, value) != value:
        tree.clear()
    tree[last] = copy.deepcopy(value)  # a later field may change a table: no other job may share it
