"""A study's results by arm and grid point, as its tables and plots read them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fedface_core.domain.errors import InvalidInputError, NotFoundError
from fedface_core.domain.results import far_label
from fedface_core.domain.round_kind import RoundKind
from fedface_lab.study.gains import Gain, paired_gain, recovered_share
from fedface_lab.study.grid import Job, Point, expand, points
from fedface_lab.study.job_results import JobResult, ResultFolder, RoundResult
from fedface_lab.study.study_file import Study, read_study

LOWER_IS_BETTER: Final = frozenset({"eer"})


@dataclass(frozen=True)
class Group:
    """One arm at one point of the grid, and the results that there are of it, by seed."""

    arm: str
    point: Point
    jobs: Mapping[int, Job]
    results: Mapping[int, JobResult]

    @property
    def title(self) -> str:
        """The arm, and where it is on the grid."""
        return ", ".join([self.arm, point_title(self.point)]) if self.point else self.arm

    @property
    def scored(self) -> tuple[int, ...]:
        """The rounds that are scored."""
        return next(iter(self.jobs.values())).scored

    def by_seed(self, metric: str, number: int) -> dict[int, float]:
        """The metric after a round (-1: the last), of the seeds that resolve it."""
        values = {seed: metric_of(result.rounds[number], metric) for seed, result in self.results.items()}
        return {seed: value for seed, value in values.items() if value is not None}

    def gain(self, metric: str, number: int = -1) -> Gain | None:
        """The metric's gain from round 0 to another; none where no seed resolves both."""
        before, after = _paired(self.by_seed(metric, 0), self.by_seed(metric, number))
        return paired_gain(before, after, lower_is_better=metric in LOWER_IS_BETTER)

    def uploaded(self) -> tuple[float, float] | None:
        """Bytes of an update and of a training round, on average; none where nothing is uploaded."""
        trained = [
            done.aggregation
            for result in self.results.values()
            for done in result.rounds
            if RoundKind.of(done.number) is RoundKind.TRAINING
        ]
        size = sum(aggregation.uploaded_bytes for aggregation in trained)
        return (size / sum(aggregation.folded for aggregation in trained), size / len(trained)) if size else None

    def share(self, metric: str, upper: Group) -> float | None:
        """How much of the gap to ``upper`` is recovered, over the seeds that both have."""
        before, after, bound = _paired(self.by_seed(metric, 0), self.by_seed(metric, -1), upper.by_seed(metric, -1))
        return recovered_share(before, after, bound, lower_is_better=metric in LOWER_IS_BETTER)


@dataclass(frozen=True)
class Outcomes:
    """All that a study has come to so far: its groups arm by arm, in the order of the study file."""

    study: Study
    groups: tuple[Group, ...]

    @property
    def metrics(self) -> list[str]:
        """Those of every plan, by growing strictness, then AUC and EER."""
        rates = {far for group in self.groups for job in group.jobs.values() for far in job.plan.far}
        return [*(f"tar@{far_label(far)}" for far in sorted(rates, reverse=True)), "auc", "eer"]

    @property
    def with_results(self) -> tuple[Group, ...]:
        """The groups that have any result."""
        return tuple(group for group in self.groups if group.results)

    def at(self, point: Point) -> list[Group]:
        """The groups with results at one point: the arms side by side."""
        return [group for group in self.with_results if group.point == point]

    def upper_bound(self, group: Group) -> Group | None:
        """The upper-bound arm at the group's point; none where there is no such arm, or it is the group itself."""
        if self.study.upper_bound in (None, group.arm):
            return None
        return next(each for each in self.groups if (each.arm, each.point) == (self.study.upper_bound, group.point))


def load_outcomes(folder: ResultFolder) -> Outcomes:
    """Read the study and its results. `NotFoundError` where nothing has been run."""
    if not folder.study().exists():
        raise NotFoundError(f"{folder.root} holds no study: `fedface study run` makes one")
    study = read_study(folder.study())
    jobs = expand(study, folder.study())
    groups = []
    for arm, point in itertools.product(study.arms, points(study)):
        of_group = {job.seed: job for job in jobs if (job.arm, job.point) == (arm, point)}
        results = {seed: result for seed, job in of_group.items() if (result := folder.load(job))}
        groups.append(Group(arm, point, of_group, results))
    if not any(group.results for group in groups):
        raise InvalidInputError(f"{folder.root} holds no result yet of the study {study.name}")
    return Outcomes(study, tuple(groups))


def metric_of(result: RoundResult, metric: str) -> float | None:
    """A round's ``tar@FAR``, ``auc`` or ``eer``; none where the round is not scored, or its pairs cannot resolve FAR."""
    if result.scores is None:
        return None
    if metric.startswith("tar@"):
        return result.scores.tar.get(metric.removeprefix("tar@"))
    return result.scores.auc if metric == "auc" else result.scores.eer


def metric_title(metric: str) -> str:
    """``tar@1e-3`` as people read it."""
    return metric.replace("tar@", "TAR@") if metric.startswith("tar@") else metric.upper()


def point_title(point: Point) -> str:
    """A grid point by the last names of its fields."""
    return ", ".join(f"{field.split('.')[-1]} {value}" for field, value in point)


def _paired(*columns: Mapping[int, float]) -> list[list[float]]:
    """The values of the seeds that all columns have, seed by seed."""
    seeds = [seed for seed in columns[0] if all(seed in column for column in columns)]
    return [[column[seed] for seed in seeds] for column in columns]
