"""A study's results, grouped by arm and grid point for its tables and plots."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.results import far_label
from fedface_core.domain.round_kind import RoundKind
from fedface_lab.study.gains import Gain, paired_gain, recovered_share
from fedface_lab.study.grid import Job, Point, expand, grid_points
from fedface_lab.study.job_results import JobResult, ResultFolder, RoundResult
from fedface_lab.study.study_file import Study, read_study

LOWER_IS_BETTER: Final = frozenset({"eer"})


@dataclass(frozen=True)
class Group:
    """The jobs of one arm at one point of the grid, by seed, and the results of those that have been run."""

    arm: str
    point: Point
    jobs: Mapping[int, Job]
    results: Mapping[int, JobResult]

    @property
    def title(self) -> str:
        """The group's name for people: the arm and the grid point."""
        return ", ".join([self.arm, point_title(self.point)]) if self.point else self.arm

    @property
    def scored_rounds(self) -> tuple[int, ...]:
        """The numbers of the rounds that are scored; all jobs of the group score equal ones."""
        return next(iter(self.jobs.values())).scored_rounds

    def by_seed(self, metric: str, number: int) -> dict[int, float]:
        """The metric after round ``number`` (−1: the last), for the seeds that resolve it."""
        values = {seed: metric_of(result.rounds[number], metric) for seed, result in self.results.items()}
        return {seed: value for seed, value in values.items() if value is not None}

    def gain(self, metric: str, number: int = -1) -> Gain | None:
        """The metric's gain from round 0 to round ``number`` (−1: the last); None if no seed resolves both."""
        before, after = _common_seeds(self.by_seed(metric, 0), self.by_seed(metric, number))
        return paired_gain(before, after, lower_is_better=metric in LOWER_IS_BETTER)

    def difference(self, metric: str, other: Group) -> Gain | None:
        """The metric after the last round of ``other`` (as *before*) and of this group; None if no seed resolves both."""
        theirs, own = _common_seeds(other.by_seed(metric, -1), self.by_seed(metric, -1))
        return paired_gain(theirs, own, lower_is_better=metric in LOWER_IS_BETTER)

    def mean_upload(self) -> tuple[float, float] | None:
        """The mean number of uploaded bytes of an update and of a training round; None if nothing was uploaded."""
        trained = [
            finished.aggregation
            for result in self.results.values()
            for finished in result.rounds
            if RoundKind.of(finished.number) is RoundKind.TRAINING
        ]
        uploaded_bytes = sum(aggregation.uploaded_bytes for aggregation in trained)
        if not uploaded_bytes:
            return None
        return uploaded_bytes / sum(aggregation.folded for aggregation in trained), uploaded_bytes / len(trained)

    def recovered_share(self, metric: str, upper: Group, lower: Group | None = None) -> float | None:
        """The share of the metric's gap to the group ``upper`` that is closed, over the seeds that all groups resolve.

        The gap begins where the group ``lower`` has ended, or without one where this group has begun.
        """
        start = self.by_seed(metric, 0) if lower is None else lower.by_seed(metric, -1)
        before, after, bound = _common_seeds(start, self.by_seed(metric, -1), upper.by_seed(metric, -1))
        return recovered_share(before, after, bound, lower_is_better=metric in LOWER_IS_BETTER)


@dataclass(frozen=True)
class StudyResults:
    """A study and the results that it has so far, as groups; arms and points are in the order of the study file."""

    study: Study
    groups: tuple[Group, ...]

    @property
    def metrics(self) -> list[str]:
        """The metrics of all plans: TAR by falling FAR, then AUC and EER."""
        rates = {far for group in self.groups for job in group.jobs.values() for far in job.plan.far}
        return [*(f"tar@{far_label(far)}" for far in sorted(rates, reverse=True)), "auc", "eer"]

    @property
    def groups_with_results(self) -> tuple[Group, ...]:
        """The groups that have at least one result."""
        return tuple(group for group in self.groups if group.results)

    def groups_at(self, point: Point) -> list[Group]:
        """The groups with results at one point of the grid, arm by arm."""
        return [group for group in self.groups_with_results if group.point == point]

    def upper_bound(self, group: Group) -> Group | None:
        """The upper-bound arm at the point of ``group``; None if there is no such arm, or if it is the arm of ``group``."""
        return self._beside(group, self.study.upper_bound)

    def without_clients(self, group: Group) -> Group | None:
        """The arm without clients at the point of ``group``; None if there is none, or if it is the arm of ``group``."""
        return self._beside(group, self.study.without_clients)

    def compared(self, group: Group) -> Group | None:
        """The group beside which the study tells what ``group`` gives in the end; None if it names none."""
        return self._beside(group, self.study.compared.get(group.arm))

    def _beside(self, group: Group, arm: str | None) -> Group | None:
        if arm in (None, group.arm):
            return None
        return next(other for other in self.groups if (other.arm, other.point) == (arm, group.point))


def load_results(folder: ResultFolder) -> StudyResults:
    """Read a study's file and its results.

    Raises `InvalidInputError` if the folder holds no study, no result or a damaged one.
    """
    if not folder.study().exists():
        raise InvalidInputError(f"{folder.root} holds no study: `fedface study run` makes one")
    study = read_study(folder.study())
    jobs = expand(study, folder.study())
    groups = []
    for arm, point in itertools.product(study.arms, grid_points(study)):
        of_group = {job.seed: job for job in jobs if (job.arm, job.point) == (arm, point)}
        results = {seed: result for seed, job in of_group.items() if (result := folder.load(job))}
        groups.append(Group(arm, point, of_group, results))
    if not any(group.results for group in groups):
        raise InvalidInputError(f"{folder.root} holds no result yet of the study {study.name}")
    return StudyResults(study, tuple(groups))


def metric_of(result: RoundResult, metric: str) -> float | None:
    """A round's ``tar@FAR``, ``auc`` or ``eer``; None if the round is not scored, or if too few pairs resolve the FAR."""
    if result.scores is None:
        return None
    if metric.startswith("tar@"):
        return result.scores.tar.get(metric.removeprefix("tar@"))
    return result.scores.auc if metric == "auc" else result.scores.eer


def metric_title(metric: str) -> str:
    """The metric's name for people: ``TAR@1e-3`` for ``tar@1e-3``, ``AUC`` for ``auc``."""
    return metric.replace("tar@", "TAR@") if metric.startswith("tar@") else metric.upper()


def point_title(point: Point) -> str:
    """The grid point for people, with the last part of each dotted field: ``clients 20`` for ``split.clients = 20``."""
    return ", ".join(f"{field.split('.')[-1]} {value}" for field, value in point)


def _common_seeds(*columns: Mapping[int, float]) -> list[list[float]]:
    """The values of each column for the seeds that all columns have, in one order of the seeds."""
    seeds = [seed for seed in columns[0] if all(seed in column for column in columns)]
    return [[column[seed] for seed in seeds] for column in columns]
