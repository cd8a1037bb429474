"""A synthetic round is what an aggregator folds: its updates are accepted, and a part of it is a round, too."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from fedface_aggregator.reduce import reduce
from fedface_core.adapters.directory import LocalArtifacts
from fedface_core.contracts import object_keys
from fedface_learning.formats.codec import decode_tensors, sha256_hex
from loadtest.bench.synthetic_round import MOMENTS, RUN, StoreLocation, put_round


@pytest.mark.parametrize("delivery", ["single", "combined"])
def test_every_update_is_stored_as_it_was_accepted(tmp_path: Path, delivery: Literal["single", "combined"]) -> None:
    location = StoreLocation(directory=tmp_path)
    synthetic = put_round(location, "small", 3, delivery)
    store = location.open()
    for client, update in synthetic.accepted.items():
        data = store.get(synthetic.key(client))
        assert (sha256_hex(data), len(data)) == (update.sha256, update.size)
    assert len({update.sha256 for update in synthetic.accepted.values()}) == 3


def test_the_first_clients_are_a_round_of_their_own(tmp_path: Path) -> None:
    first = put_round(StoreLocation(directory=tmp_path), "small", 3).first(2)
    assert first.round.cohort == tuple(first.accepted) == ("client-000000", "client-000001")
    assert first.round.quorum == 2
    assert [len(shard) for shard in first.shards()] == [2]


@pytest.mark.parametrize("optimiser", MOMENTS)
def test_a_round_starts_from_the_moments_of_its_server_optimiser(tmp_path: Path, optimiser: str) -> None:
    """A step from them makes moments of the same names, so they are what an aggregator reads in each round but the first."""
    synthetic = put_round(StoreLocation(directory=tmp_path), "small", 3, optimiser=optimiser)
    before = synthetic.round.server_state_sha256
    after = reduce(synthetic.workbench(), synthetic.plan, synthetic.round, synthetic.accepted).server_state_sha256
    if optimiser == "average":
        assert before is after is None
        return
    store = LocalArtifacts(tmp_path)
    read, made = (decode_tensors(store.get(object_keys.server_state(RUN, sha256 or "")))[0] for sha256 in (before, after))
    assert {name: tensor.shape for name, tensor in made.items()} == {name: tensor.shape for name, tensor in read.items()}
    assert before != after
