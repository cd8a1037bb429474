"""The graph of neighbours: regular, drawn by the seed alone, and in one piece when clients drop out."""

from __future__ import annotations

import random

import pytest

from fedface_core.secure_aggregation.neighbours import draw_neighbours


@pytest.mark.parametrize(("size", "degree"), [(3, 2), (10, 4), (32, 16), (33, 16), (64, 63), (7, 6)])
def test_each_client_has_as_many_neighbours_and_is_theirs(size: int, degree: int) -> None:
    graph = draw_neighbours(b"seed", size, degree)
    assert [len(neighbours) for neighbours in graph] == [degree] * size
    assert all(one in graph[other] and one != other for one, neighbours in enumerate(graph) for other in neighbours)
    assert all(list(neighbours) == sorted(set(neighbours)) for neighbours in graph)


def test_the_seed_decides_the_graph_on_every_machine() -> None:
    assert draw_neighbours(b"seed", 8, 2) == ((2, 4), (4, 5), (0, 3), (2, 7), (0, 1), (1, 6), (5, 7), (3, 6))
    assert draw_neighbours(b"seed", 8, 2) != draw_neighbours(b"other seed", 8, 2)


def test_it_is_in_one_piece_as_long_as_no_two_runs_of_the_circle_are_missing() -> None:
    draws = random.Random(0)
    for trial in range(20):
        graph = draw_neighbours(trial.to_bytes(2, "big"), 64, 20)
        here = set(draws.sample(range(64), 45))
        found: set[int] = set()
        ahead = [min(here)]
        while ahead:
            one = ahead.pop()
            found.add(one)
            ahead += [other for other in graph[one] if other in here - found]
        assert found == here
