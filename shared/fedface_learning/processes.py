"""Work on many items by several processes of this machine, such as the decoding of photographs.

Results come in the order of the items, and few are in memory at any time, however slow the reader of the results is.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from fedface_core.domain.errors import FedFaceError
from fedface_learning.seeding import use_deterministic_torch

AHEAD: Final = 2
"""How many items of each process are begun and their results not yet taken: one that it works on, and the next."""
_WORTH_A_PROCESS: Final = 100
"""Items. A process takes some seconds to start; fewer items are done sooner without it."""
Item = TypeVar("Item")
Result = TypeVar("Result")

_work: Callable[[Any], Any] | None = None  # of a process of the pool


class WorkerKilledError(FedFaceError):
    """A process of the pool was killed from outside."""

    title = "Process"

    def __init__(self) -> None:
        super().__init__("a process was killed, perhaps because memory ran out; give the command again with fewer --workers")


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def worth_starting(workers: int, items: int) -> int:
    """How many processes of ``workers`` are worth their start for so many items; 1 is this process alone."""
    return max(1, min(workers, items // _WORTH_A_PROCESS))


def in_order(work: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Generator[Result, None, None]:
    """``work(item)`` of each item, in the order of the items, by so many processes; with 1 by this process itself.

    ``work``, items and results must be picklable; ``work`` goes to each process once. At most `AHEAD` results for each
    process are in memory. The first item, in their order, whose work raises ends the iteration with its error. When the
    iteration ends or is closed, the processes have ended too. `WorkerKilledError` if one was killed from outside.
    """
    if workers == 1:
        yield from map(work, items)
        return
    with process_pool(workers, _keep_work, work) as pool:
        begun: deque[Future[Result]] = deque()
        try:
            for item in items:
                begun.append(pool.submit(_do, item))
                if len(begun) == AHEAD * workers:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        except BrokenProcessPool:
            raise WorkerKilledError from None


@contextmanager
def process_pool(
    processes: int, prepare: Callable[..., None] | None = None, *arguments: object
) -> Iterator[ProcessPoolExecutor]:
    """So many new processes of one torch thread each, in which ``prepare(*arguments)`` is called first.

    Ctrl-C reaches this process only. If the block is left by an exception such as `KeyboardInterrupt`, the processes are
    terminated; if this process is killed, they end by themselves.
    """
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")  # a process with threads must not fork
    with ProcessPoolExecutor(processes, context, _initialise, (prepare, arguments)) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            own = [process for process in multiprocessing.active_children() if process not in others]
            for process in own:
                process.terminate()
            for process in own:
                process.join()
            raise


def _initialise(prepare: Callable[..., None] | None, arguments: tuple[object, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C signals all processes of a terminal; only the first one reacts
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    use_deterministic_torch(1)
    if prepare is not None:
        prepare(*arguments)


def _exit_with_parent() -> None:
    """End this process when its parent ends: one that is killed cannot end it."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "runs in a process of a pool"
    parent.join()
    os._exit(1)


def _keep_work(work: Callable[[Any], Any]) -> None:
    global _work
    _work = work


def _do(item: Any) -> Any:
    assert _work is not None, "set when the process starts"
    return _work(item)
