"""Whatever a process may open, its files suffice for all that the API serves at once."""

from __future__ import annotations

import pytest

from fedface_control.api.capacity import DEFAULT_CAPACITY, LEAST_OPEN_FILES, capacity_within
from fedface_core.domain.errors import InvalidInputError


@pytest.mark.parametrize("open_files", [LEAST_OPEN_FILES, 100, 256, 1024, 10_240])
@pytest.mark.parametrize("connections", [1, 512, 5_000])
def test_the_files_suffice(open_files: int, connections: int) -> None:
    capacity = capacity_within(open_files, connections, event_streams=2_500)
    assert capacity.connections + 5 * capacity.backlog + 3 * capacity.threads + 32 <= open_files
    assert capacity.event_streams <= capacity.connections / 2
    assert min(capacity.connections, capacity.threads, capacity.backlog) >= 1


def test_with_enough_files_it_is_what_was_asked_for() -> None:
    assert capacity_within(10_240, 512, 100) == DEFAULT_CAPACITY
    assert capacity_within(10_240, 512, 100_000).event_streams == 256


def test_too_few_files_are_refused_with_the_remedy() -> None:
    with pytest.raises(InvalidInputError, match=r"may open 63 files, and the API needs 64; raise the limit \(ulimit -n\)"):
        capacity_within(63, 512, 100)
