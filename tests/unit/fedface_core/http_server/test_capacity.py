"""Whatever a process may open, its files suffice for all that it serves at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fedface_core.domain.errors import InvalidInputError
from fedface_core.http_server.capacity import LEAST_OPEN_FILES, Capacity, capacity_within

DEFAULT = Capacity()


@pytest.mark.parametrize("open_files", [LEAST_OPEN_FILES, 100, 256, 1024, 10_240])
@pytest.mark.parametrize("connections", [1, 512, 5_000])
@pytest.mark.parametrize("streams", [1, 100, 2_500])
@pytest.mark.parametrize("files_of_a_stream", [1, 2])
def test_the_files_suffice(open_files: int, connections: int, streams: int, files_of_a_stream: int) -> None:
    capacity = capacity_within(open_files, Capacity(connections, streams), files_of_a_stream=files_of_a_stream)
    taken = capacity.connections + (files_of_a_stream - 1) * capacity.event_streams
    assert taken + 5 * capacity.backlog + 3 * capacity.threads + 32 <= open_files
    assert capacity.event_streams <= capacity.connections / 2
    assert min(capacity.connections, capacity.threads, capacity.backlog) >= 1


@pytest.mark.parametrize("files_of_a_stream", [1, 2])
def test_with_enough_files_it_is_what_was_asked_for(files_of_a_stream: int) -> None:
    assert capacity_within(10_240, DEFAULT, files_of_a_stream=files_of_a_stream) == DEFAULT
    many = replace(DEFAULT, event_streams=100_000)
    assert capacity_within(10_240, many, files_of_a_stream=files_of_a_stream) == replace(DEFAULT, event_streams=256)


def test_too_few_files_are_refused_with_the_remedy() -> None:
    with pytest.raises(InvalidInputError, match=r"may open 63 files, and needs 64 to serve; raise the limit \(ulimit -n\)"):
        capacity_within(63, DEFAULT)
