"""Retrying a decision when another process was faster: each change of a run is stored by compare-and-set on its version."""

from __future__ import annotations

from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from fedface_core.domain.errors import StaleVersionError

# A decorator for functions that load a run, decide and store. If another process has stored a change in between, the
# function is called again, and so it loads the run again. After ten attempts `StaleVersionError` is raised.
retry_if_stale = retry(
    retry=retry_if_exception_type(StaleVersionError),
    wait=wait_random_exponential(multiplier=0.01, max=1),
    stop=stop_after_attempt(10),
    reraise=True,
)
