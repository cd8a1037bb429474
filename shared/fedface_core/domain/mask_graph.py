"""How many neighbours a client has, and how many of them give its secrets: as few as the bounds allow.

After Bell et al. (CCS 2020), section 3, with exact tails of the hypergeometric distribution in the place of their closed
bounds. Of N clients, at most C = ⌈corrupt · N⌉ collude with the aggregator and D = ⌈dropout · N⌉ drop out; both are chosen
without knowing the graph. Then the k neighbours of a client are a uniform draw of the others, and three things may go wrong:

1. t of some client's neighbours collude: they have its secrets. At most N · P[Hyp(N − 1, C, k) ≥ t].
2. The honest clients that stay are not connected: then the sums of their parts come out. On the circle that takes two
   separate runs of k/2 clients that collude or drop out: at most N(N − 1)/2 · P[k given clients are all among the C + D].
3. Fewer than t of some client's neighbours stay: the shard cannot be unmasked. At most N · P[Hyp(N − 1, D, k) > k − t].
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import comb
from typing import Final, Literal

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.share import share_of

MOST_CLIENTS: Final = 1024
"""Of a shard: above it the bounds take long to compute, and to share keys with more neighbours buys nothing."""

Against = Literal["curious", "lying"]
"""The aggregator and control that the masks are to hold against. ``curious``: they keep to the protocol and look at all that
they get. ``lying``: they may also tell different clients of different accepted sets.
"""


@dataclass(frozen=True)
class GraphParameters:
    """The parameters of a shard's masks."""

    degree: int
    """Neighbours of each client."""
    threshold: int
    """Shares that give a secret."""
    signers: int
    """How many clients must have signed the accepted set before one reveals anything: 0 against the curious."""


@cache
def choose_parameters(
    clients: int, corrupt: float, dropout: float, against: Against, *, secrecy_bits: int = 40, failure_bits: int = 20
) -> GraphParameters:
    """The smallest graph for a shard of ``clients`` of which a share ``corrupt`` colludes and a share ``dropout`` drops out.

    ``dropout`` counts all phases of a round together. Single updates come out with a chance of 2 to the −``secrecy_bits`` at
    most, and a shard that nobody attacks is lost with 2 to the −``failure_bits``.
    Against the lying all clients are neighbours, since who draws the graph could draw until the corrupt surround somebody.
    `InvalidInputError` if no graph is good enough.
    """
    if not 3 <= clients <= MOST_CLIENTS:
        raise InvalidInputError(f"{clients} clients in a shard: secure aggregation takes from 3 to {MOST_CLIENTS}")
    if not (0 < corrupt < 1 and 0 <= dropout < 1):
        raise InvalidInputError(f"corrupt {corrupt} and dropout {dropout} must be shares of the shard: above 0 and below 1")
    colluding = share_of(corrupt, clients)
    dropped = share_of(dropout, clients)
    complete = _complete_graph(clients, colluding, dropped, against)
    if complete is None:
        raise InvalidInputError(
            f"a shard of {clients} clients of which {colluding} may collude and {dropped} may drop out cannot be masked and "
            "unmasked: make shards larger, or one of the two shares smaller"
        )
    if against == "curious":
        for degree in range(2, clients - 1, 2):
            threshold = _least_threshold(clients, colluding, dropped, degree, Fraction(1, 2**secrecy_bits))
            if threshold is not None and _too_few_stay(clients, dropped, degree, threshold) * 2**failure_bits <= 1:
                return GraphParameters(degree, threshold, signers=0)
    return complete


def can_be_masked(clients: int, corrupt: float, dropout: float, against: Against) -> bool:
    """Whether a shard of so many clients has a graph: quickly, since no smaller graph is better than the complete one."""
    return _complete_graph(clients, share_of(corrupt, clients), share_of(dropout, clients), against) is not None


def _complete_graph(clients: int, colluding: int, dropped: int, against: Against) -> GraphParameters | None:
    """The graph in which all are neighbours of all: nothing is drawn, so nothing is left to chance. None if too few stay."""
    degree = clients - 1
    threshold = colluding + 1 if against == "curious" else most_of_two(degree, colluding)
    signers = 0 if against == "curious" else most_of_two(clients, colluding)
    if min(degree - dropped - threshold, clients - dropped - signers) < 0:
        return None
    return GraphParameters(degree, threshold, signers)


def most_of_two(clients: int, colluding: int) -> int:
    """The smallest number such that of ``clients`` no two groups of it exist that share only colluding clients.

    Who answers honestly answers once. So only one of two different questions gets this number of answers.
    """
    return (clients + colluding) // 2 + 1


def _least_threshold(clients: int, colluding: int, dropped: int, degree: int, chance: Fraction) -> int | None:
    """The smallest threshold for which a secret comes out with at most this chance; None if the graph may fall apart."""
    apart = comb(clients, 2) * _all_among(clients, min(colluding + dropped, clients), degree)
    for threshold in range(1, degree + 1):
        if apart + clients * _at_least(threshold, clients - 1, colluding, degree) <= chance:
            return threshold
    return None


def _too_few_stay(clients: int, dropped: int, degree: int, threshold: int) -> Fraction:
    """A bound on the chance that some secret cannot be recovered."""
    return clients * _at_least(degree - threshold + 1, clients - 1, dropped, degree)


def _at_least(least: int, population: int, marked: int, drawn: int) -> Fraction:
    """The chance that of ``drawn`` out of ``population`` at least ``least`` are marked."""
    ways = sum(
        comb(marked, count) * comb(population - marked, drawn - count) for count in range(least, min(marked, drawn) + 1)
    )
    return Fraction(ways, comb(population, drawn))


def _all_among(population: int, marked: int, given: int) -> Fraction:
    """The chance that ``given`` clients are all among ``marked`` of the population."""
    return Fraction(comb(marked, given), comb(population, given))
