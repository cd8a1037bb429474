"""All jobs of a study, in processes side by side: what is done is skipped, and what fails stops no other."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

from fedface_core.domain.errors import FedFaceError
from fedface_lab.study.grid import Job
from fedface_lab.study.job_results import ResultFolder
from fedface_lab.study.pretrained import Pretraining, pretraining_of, run_pretraining
from fedface_lab.study.run_job import run_job
from fedface_learning.seeding import use_deterministic_torch

Work = Job | Pretraining


@dataclass(frozen=True)
class Ended:
    """A piece of work, and why it failed where it did."""

    work: Work
    failure: str | None


@dataclass(frozen=True)
class Agenda:
    """What is to do. Jobs that come to the same are done once."""

    pretrainings: tuple[Pretraining, ...]
    jobs: tuple[Job, ...]

    @classmethod
    def of(cls, jobs: Sequence[Job], folder: ResultFolder) -> Agenda:
        """What has no result yet, and the networks that it needs and that are not trained yet."""
        missing = tuple({job.digest: job for job in jobs if not folder.result(job).exists()}.values())
        needed = {work.digest: work for work in map(pretraining_of, missing) if work}
        return cls(tuple(work for work in needed.values() if not folder.network(work.digest).exists()), missing)

    def __len__(self) -> int:
        """How many pieces of work there are."""
        return len(self.pretrainings) + len(self.jobs)


def run_agenda(agenda: Agenda, folder: ResultFolder, processes: int, on_end: Callable[[Ended], None]) -> None:
    """Pre-train, then run the jobs. ``on_end`` is told of each. Interrupted, it ends the processes at once.

    A job whose network could not be pre-trained fails without having been run.
    """
    failures: dict[str, str] = {}

    def pretrained(ended: Ended) -> None:
        if ended.failure:
            failures[ended.work.digest] = ended.failure
        on_end(ended)

    _run(agenda.pretrainings, folder, processes, pretrained)
    runnable = []
    for job in agenda.jobs:
        start = pretraining_of(job)
        if start and start.digest in failures:
            on_end(Ended(job, f"its {start.title} failed: {failures[start.digest]}"))
        else:
            runnable.append(job)
    _run(runnable, folder, processes, on_end)


def _run(works: Sequence[Work], folder: ResultFolder, processes: int, on_end: Callable[[Ended], None]) -> None:
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _prepare_process) as pool:
        try:
            waiting = {pool.submit(_do, work, folder): work for work in works}
            for future in as_completed(waiting):
                on_end(Ended(waiting[future], _failure(future)))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _prepare_process() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all processes of a terminal; the first one decides
    threading.Thread(target=_end_with_the_study, daemon=True).start()
    use_deterministic_torch(1)


def _end_with_the_study() -> None:
    """A study that is killed cannot end its processes: they would wait for ever, and write beside the next one's."""
    study = multiprocessing.parent_process()
    assert study is not None, "runs in a process of the pool"
    study.join()
    os._exit(1)


def _do(work: Work, folder: ResultFolder) -> str | None:
    """In a process of the pool. The reason travels as text: an exception of ours may not survive the way."""
    try:
        if isinstance(work, Job):
            run_job(work, folder)
        else:
            run_pretraining(work, folder)
    except FedFaceError as error:
        return str(error)
    except Exception as error:  # a mistake of ours in one job is no reason to throw the others away
        return f"{type(error).__name__}: {error}"
    return None


def _failure(future: Future[str | None]) -> str | None:
    try:
        return future.result()
    except BrokenProcessPool:
        return "a process of the study was killed, perhaps for want of memory; run the study again with fewer --jobs"
