"""The same surroundings for every test, whoever starts them, from wherever."""

from __future__ import annotations

import os
import signal

import hypothesis

NOT_OURS = ("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "PYTHON_COLORS", "LANG", "LANGUAGE")
NEUTRAL = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "TERM": "dumb"}
NO_PROXY = {"no_proxy": "127.0.0.1,localhost", "NO_PROXY": "127.0.0.1,localhost"}
NOWHERE = {"XDG_CONFIG_HOME": "/nonexistent/config", "XDG_STATE_HOME": "/nonexistent/state"}
"""Where no profile and no session of whoever starts the tests is. The keyring keeps nothing."""
NO_KEYRING = {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
THREADS = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
KEPT = "FEDFACE_REQUIRE"
"""What the tests may not skip, said by whoever starts them."""
TRACING = "COVERAGE_PROCESS_CONFIG"
"""By this variable coverage has the processes traced that a process starts."""


def neutral_environment() -> None:
    """No locale, no terminal and no setting of FedFace comes in from outside, here and in what the tests start.

    A proxy serves what lies outside this machine only. One thread for each process: two of them train side by side on
    two cores.
    """
    for name in list(os.environ):
        if name in NOT_OURS or (name.startswith("FEDFACE_") and name != KEPT):
            del os.environ[name]
    os.environ.update(NEUTRAL | NO_PROXY | NOWHERE | NO_KEYRING | THREADS)


def audible_interrupts() -> None:
    """Ctrl-C as it is by default, here and in what the tests start.

    A shell without job control starts background commands with SIGINT ignored, and every child inherits that: the tests
    that interrupt one would wait for ever. A handler of ours is reset to the default in whatever we start.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def unhurried_examples() -> None:
    """Hypothesis with no limit of time for an example, since shared machines are slow at times, and with no memory."""
    hypothesis.settings.register_profile("fedface", deadline=None, database=None)
    hypothesis.settings.load_profile("fedface")


_tracing: list[str] = []


def traced_processes(*, asked_for: bool) -> None:
    """Have coverage trace the processes that are started from now on, or not. Without coverage, nothing is traced."""
    if TRACING in os.environ:
        _tracing[:] = [os.environ.pop(TRACING)]
    if asked_for and _tracing:
        os.environ[TRACING] = _tracing[0]
