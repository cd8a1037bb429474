"""Runs the jobs of a study that have no result, in parallel processes. A job that fails does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache

from fedface_core.domain.credentials import mask_credentials
from fedface_core.domain.errors import FedFaceError, InvalidInputError
from fedface_core.domain.plan import DataPlan
from fedface_core.files.file_problem import file_problem
from fedface_lab.study.grid import Job
from fedface_lab.study.job_results import ResultFolder
from fedface_lab.study.pretrained import Pretraining, pretraining_of, run_pretraining
from fedface_lab.study.run_job import run_job
from fedface_learning.data import ImageSize, open_dataset
from fedface_learning.data.identity_list import identity_list
from fedface_learning.formats.codec import sha256_hex
from fedface_learning.processes import process_pool

Work = Job | Pretraining
"""A piece of work for one process."""


@dataclass(frozen=True)
class FinishedWork:
    """A piece of work that has ended, and the reason if it failed."""

    work: Work
    failure: str | None


@dataclass(frozen=True)
class PendingWork:
    """The work of a study that is not done yet. Of jobs with equal digests it holds one."""

    pretrainings: tuple[Pretraining, ...]
    jobs: tuple[Job, ...]

    @classmethod
    def of(cls, jobs: Sequence[Job], folder: ResultFolder) -> PendingWork:
        """The ``jobs`` without a result in the folder, and the pre-trainings that they need and that are not done.

        A result counts only if the data set still has the people of whom it is: a study must not compare runs of others.
        Raises `InvalidInputError` if a job's data set has too few people.
        """
        list_now = cache(_identity_list_now)  # jobs share data sets
        missing = {job.digest: job for job in jobs if not _is_done(job, folder, list_now)}
        needed = {pretraining.digest: pretraining for job in missing.values() if (pretraining := pretraining_of(job))}
        untrained = (each for each in needed.values() if not folder.network(each.digest).exists())
        return cls(tuple(untrained), tuple(missing.values()))

    def __len__(self) -> int:
        """The number of pieces of work."""
        return len(self.pretrainings) + len(self.jobs)


def _is_done(job: Job, folder: ResultFolder, list_now: Callable[[DataPlan, ImageSize, int], str | None]) -> bool:
    result = folder.load(job)
    if result is None:
        return False
    now = list_now(job.plan.data, ImageSize.of(job.plan.model), job.plan.split.identities)
    return now is None or result.identity_list_sha256 in (None, now)


def _identity_list_now(data: DataPlan, size: ImageSize, identities: int) -> str | None:
    """The SHA-256 of the data set's identity list; None if the data set is not there, as on a machine that only reports."""
    try:
        return sha256_hex(identity_list(open_dataset(data, size, identities).identities))
    except InvalidInputError:
        return None


def run_pending_work(
    pending: PendingWork, folder: ResultFolder, processes: int, on_end: Callable[[FinishedWork], None]
) -> None:
    """Pre-train the networks, then run the jobs, in so many processes. Calls ``on_end`` for each piece of work that ends.

    A job whose pre-training failed fails without being run. If an exception such as `KeyboardInterrupt` stops this function,
    it terminates the processes.
    """
    failures: dict[str, str] = {}

    def keep_failure(finished: FinishedWork) -> None:
        if finished.failure:
            failures[finished.work.digest] = finished.failure
        on_end(finished)

    _run(pending.pretrainings, folder, processes, keep_failure)
    runnable = []
    for job in pending.jobs:
        pretraining = pretraining_of(job)
        if pretraining and pretraining.digest in failures:
            on_end(FinishedWork(job, f"its {pretraining.title} failed: {failures[pretraining.digest]}"))
        else:
            runnable.append(job)
    _run(runnable, folder, processes, on_end)


def _run(works: Sequence[Work], folder: ResultFolder, processes: int, on_end: Callable[[FinishedWork], None]) -> None:
    with process_pool(processes) as pool:
        futures = {pool.submit(_do, work, folder): work for work in works}
        for future in as_completed(futures):
            on_end(FinishedWork(futures[future], _failure_reason(future)))


def _do(work: Work, folder: ResultFolder) -> str | None:
    """Do a piece of work in a process of the pool; the reason if it fails, as text: not every exception can be pickled."""
    try:
        if isinstance(work, Job):
            run_job(work, folder)
        else:
            run_pretraining(work, folder)
    except FedFaceError as error:
        return str(error)
    except OSError as error:
        return str(file_problem(error) or f"{type(error).__name__}: {error}")
    except Exception as error:  # a fault in one job must not stop the others
        return mask_credentials(f"{type(error).__name__}: {error}")
    return None


def _failure_reason(future: Future[str | None]) -> str | None:
    try:
        return future.result()
    except BrokenProcessPool:
        return "a process of the study was killed, perhaps because memory ran out; run the study again with fewer --jobs"
