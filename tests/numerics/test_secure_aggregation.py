"""A shard's round under masks: the sum of those who stay, to the bit, whoever drops out, and nothing else."""

from __future__ import annotations

import random
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedface_core.domain.mask_graph import Against, GraphParameters, choose_parameters
from fedface_core.secure_aggregation.errors import TooFewSharesError
from fedface_core.secure_aggregation.recovery import masks_in_sum
from fedface_core.secure_aggregation.revealing import Revelation
from fedface_learning.masking import Vector, remove_masks
from loadtest.bench.masked_group import MaskedGroup


class ShardTrial:
    """One round of a group. So many drop out while keys are shared, while updates are masked, and before they reveal."""

    def __init__(self, group: MaskedGroup, draws: random.Random, dropouts: tuple[int, int, int], length: int = 40) -> None:
        self.group = group
        clients = list(group.devices)
        here = sorted(draws.sample(clients, len(clients) - dropouts[0]))
        self.bundles = group.share_keys(here)
        self.roster, self.received = group.close_roster(self.bundles)
        here = sorted(draws.sample(here, len(here) - dropouts[1]))
        numbers = np.random.default_rng(draws.randrange(2**32))
        self.plain = {client: numbers.integers(0, 2**64, length, dtype=np.uint64) for client in here}
        self.masked = {
            client: group.mask(client, self.roster, self.received[client], plain) for client, plain in self.plain.items()
        }
        self.accepted = group.accept(self.roster, self.masked)
        here = sorted(draws.sample(here, len(here) - dropouts[2]))
        signatures = {client: group.sign(client, self.roster, self.accepted) for client in here}
        self.revealed: list[Revelation] = [
            group.reveal(client, self.roster, self.received[client], self.accepted, signatures) for client in here
        ]

    def unmasked(self) -> Vector:
        """The sum of the masked updates, without its masks."""
        total = summed(self.masked.values())
        self.group.unmask(self.roster, self.bundles, self.accepted, self.revealed, total)
        return total


def summed(vectors: Iterable[Vector]) -> Vector:
    first, *others = vectors
    return sum(others, start=first)


@settings(max_examples=12, deadline=None, database=None, derandomize=True)
@given(st.integers(5, 12), st.randoms(use_true_random=False), st.data())
def test_the_sum_of_those_who_stay_comes_out_whoever_drops_out(
    clients: int, draws: random.Random, data: st.DataObject
) -> None:
    threshold = data.draw(st.integers(2, clients - 2))
    dropouts = [0, 0, 0]
    for _ in range(data.draw(st.integers(0, clients - 1 - threshold))):
        dropouts[data.draw(st.integers(0, 2))] += 1
    group = MaskedGroup.of(clients, GraphParameters(clients - 1, threshold, signers=0))
    trial = ShardTrial(group, draws, (dropouts[0], dropouts[1], dropouts[2]))
    assert (trial.unmasked() == summed(trial.plain.values())).all()


@pytest.mark.parametrize(("clients", "against"), [(64, "curious"), (20, "lying")])
def test_a_tenth_drops_out_in_each_phase(clients: int, against: Against) -> None:
    group = MaskedGroup.of(clients, choose_parameters(clients, 0.2, 0.3, against), minimum=8)
    tenth = clients // 10
    trial = ShardTrial(group, random.Random(5), (tenth, tenth, tenth), length=1000)
    assert len(trial.bundles) == clients - tenth
    assert len(trial.masked) == clients - 2 * tenth
    assert len(trial.revealed) == clients - 3 * tenth
    assert (trial.unmasked() == summed(trial.plain.values())).all()


def test_with_more_dropouts_than_the_threshold_allows_nothing_comes_out() -> None:
    trial = ShardTrial(MaskedGroup.of(10, GraphParameters(9, 7, signers=0)), random.Random(3), (1, 1, 2))
    with pytest.raises(TooFewSharesError, match="of the 9 neighbours of client-00000"):
        trial.unmasked()


def assert_looks_random(vector: Vector) -> None:
    """Pearson's χ² of its bytes, 255 degrees of freedom."""
    counts = np.bincount(vector.view(np.uint8), minlength=256)
    expected = 8 * len(vector) / 256
    assert 150 < float(((counts - expected) ** 2 / expected).sum()) < 380


def test_a_sum_with_one_mask_left_looks_random_and_so_does_each_update() -> None:
    """Updates of zeros: were anything of a mask missing, there would be zeros. One drops out, so pair masks are left."""
    group = MaskedGroup.of(6, GraphParameters(4, 3, signers=0))
    bundles = group.share_keys(group.devices)
    roster, received = group.close_roster(bundles)
    zeros = np.zeros(20_000, dtype=np.uint64)
    dropped, *here = group.devices
    masked = {client: group.mask(client, roster, received[client], zeros) for client in here}
    accepted = group.accept(roster, masked)
    revealed = [group.reveal(client, roster, received[client], accepted, {}) for client in here]
    masks = masks_in_sum(group.shard_round, roster, bundles, accepted, revealed)
    assert len(masks) == len(here) + len(group.shard_round.neighbours(dropped)), "own masks, and the dropout's pair masks"
    for vector in masked.values():
        assert_looks_random(vector)
    for left in masks:
        total = summed(masked.values())
        remove_masks(total, [mask for mask in masks if mask is not left])
        assert_looks_random(total)
        remove_masks(total, [left])
        assert not total.any(), "more than one mask was left"


def test_a_repeated_step_makes_the_same_bytes() -> None:
    trials = [ShardTrial(MaskedGroup.of(8, GraphParameters(6, 3, signers=0)), random.Random(1), (1, 1, 1)) for _ in range(2)]
    first, second = trials
    assert first.bundles == second.bundles
    assert first.roster.digest == second.roster.digest
    assert first.accepted.digest == second.accepted.digest, "it has the SHA-256 of every masked update"
    assert first.revealed == second.revealed
