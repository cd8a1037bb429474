"""Seeds: equal on every machine, and different for different purposes."""

from __future__ import annotations

import torch

from fedface_learning.seeding import derive_seed, generator


def test_a_seed_is_the_same_on_every_machine() -> None:
    assert derive_seed(0, 1, "client-000003") == 6315911403079584765
    assert 0 <= derive_seed("x") < 2**63


def test_every_part_counts_and_so_does_where_one_ends() -> None:
    seeds = {derive_seed(1, 2), derive_seed(12), derive_seed("1", 2), derive_seed(2, 1), derive_seed("1, 2"), derive_seed(1)}
    assert len(seeds) == 6


def test_generators_are_independent_of_torchs_own() -> None:
    before = torch.random.get_rng_state()
    first = torch.rand(3, generator=generator("a", 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(torch.rand(3, generator=generator("a", 1)), first)
    assert not torch.equal(torch.rand(3, generator=generator("a", 2)), first)
