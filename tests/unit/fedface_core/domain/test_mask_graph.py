"""The size of the graph follows from its bounds, which a simulation of the draws agrees with."""

from __future__ import annotations

import random

import pytest

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.mask_graph import Against, GraphParameters, choose_parameters, most_of_two
from fedface_core.secure_aggregation.neighbours import draw_neighbours


@pytest.mark.parametrize(
    ("clients", "against", "expected"),
    [
        (16, "curious", (10, 5, 0)),
        (32, "curious", (18, 8, 0)),
        (64, "curious", (34, 14, 0)),
        (128, "curious", (60, 27, 0)),
        (256, "curious", (92, 44, 0)),
        (16, "lying", (15, 10, 11)),
        (64, "lying", (63, 39, 39)),
        (256, "lying", (255, 154, 155)),
    ],
)
def test_a_fifth_colludes_and_three_tenths_drop_out(clients: int, against: Against, expected: tuple[int, int, int]) -> None:
    assert choose_parameters(clients, 0.2, 0.3, against) == GraphParameters(*expected)


def test_where_the_bounds_are_coarse_the_draws_keep_to_them() -> None:
    """With 6 and 4 bits, each bad event is met in at most 1/64 and 1/16 of graphs; drawn 400 times."""
    graph = choose_parameters(40, 0.2, 0.2, "curious", secrecy_bits=6, failure_bits=4)
    assert graph.degree < 20, "a graph in which the bad events can happen"
    draws = random.Random(1)
    exposed = 0
    lost = 0
    for trial in range(400):
        neighbours = draw_neighbours(trial.to_bytes(2, "big"), 40, graph.degree)
        corrupt = set(draws.sample(range(40), 8))
        dropped = set(draws.sample(range(40), 8))
        exposed += any(len(corrupt & set(of)) >= graph.threshold for of in neighbours)
        lost += any(len(set(of) - dropped) < graph.threshold for of in neighbours)
    assert exposed <= 400 / 64
    assert lost <= 400 / 16


def test_no_more_neighbours_than_there_are() -> None:
    assert choose_parameters(4, 0.2, 0.2, "curious") == GraphParameters(degree=3, threshold=2, signers=0)


@pytest.mark.parametrize(("clients", "colluding"), [(10, 0), (10, 1), (63, 13), (64, 13)])
def test_two_such_groups_share_an_honest_client(clients: int, colluding: int) -> None:
    group = most_of_two(clients, colluding)
    assert 2 * group - clients > colluding
    assert 2 * (group - 1) - clients <= colluding, "and no smaller one does"


@pytest.mark.parametrize(
    ("clients", "corrupt", "dropout", "message"),
    [
        (2, 0.2, 0.1, "takes from 3 to 1024"),
        (2000, 0.2, 0.1, "takes from 3 to 1024"),
        (32, 0.0, 0.1, "must be shares of the shard"),
        (32, 0.2, 1.0, "must be shares of the shard"),
        (32, 0.6, 0.5, "20 may collude and 16 may drop out cannot be masked"),
    ],
)
def test_what_cannot_be_is_said(clients: int, corrupt: float, dropout: float, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        choose_parameters(clients, corrupt, dropout, "curious")
