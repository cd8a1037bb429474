"""A shard's round is refused if its parts do not fit together."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from fedface_core.domain.mask_graph import GraphParameters
from fedface_core.secure_aggregation.shard_round import ShardRound
from loadtest.bench.masked_group import MaskedGroup

ROUND = MaskedGroup.of(6, GraphParameters(degree=4, threshold=3, signers=0)).shard_round


def test_it_is_the_same_after_a_message() -> None:
    again = ShardRound.model_validate_json(ROUND.model_dump_json())
    assert again.digest == ROUND.digest
    assert [again.neighbours(client) for client in again.keys] == [ROUND.neighbours(client) for client in ROUND.keys]
    assert [again.point(member.client) for member in again.members] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"degree": 3}, "degree: must be even and below 6, or 5"),
        ({"degree": 6}, "degree: must be even and below 6, or 5"),
        ({"threshold": 5}, "a client has 4 neighbours, so no more shares"),
        ({"threshold": 1}, "greater than 1"),
        ({"minimum": 1}, "greater than or equal to 2"),
        ({"members": ROUND.members[::-1]}, "each client once, in client order"),
        ({"members": (ROUND.members[0],) * 3}, "each client once, in client order"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ShardRound.model_validate({**ROUND.model_dump(), **change})
