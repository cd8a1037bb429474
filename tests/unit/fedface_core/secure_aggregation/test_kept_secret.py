"""What a device seals for itself opens for it alone, and as what it kept of that round alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedface_core.secure_aggregation.errors import DamagedShareError
from fedface_core.secure_aggregation.kept_secret import SEAL_BYTES, seal, unseal
from fedface_core.secure_aggregation.simulated_device import simulated_device

RUN = "run-0123456789ab"
DEVICE = simulated_device(1, "client-000001")
KEPT = bytes(range(256))


@given(st.binary(min_size=1, max_size=300), st.integers(0, 1000))
def test_it_comes_back_whole_and_a_repeated_task_makes_the_same_bytes(kept: bytes, number: int) -> None:
    sealed = seal(DEVICE, RUN, number, kept)
    assert sealed == seal(DEVICE, RUN, number, kept)
    assert len(sealed) == len(kept) + SEAL_BYTES
    assert unseal(DEVICE, RUN, number, sealed) == kept


def test_it_shows_nothing_not_even_that_two_rounds_kept_the_same() -> None:
    one, other = (seal(DEVICE, RUN, number, KEPT) for number in (1, 2))
    assert KEPT[:16] not in one
    assert one[SEAL_BYTES:] != other[SEAL_BYTES:]


@pytest.mark.parametrize("client", ["client-000001", "client-000002"])
@pytest.mark.parametrize("run", [RUN, "run-0123456789ac"])
@pytest.mark.parametrize("number", [1, 2])
def test_it_opens_for_its_device_run_and_round_alone(client: str, run: str, number: int) -> None:
    sealed = seal(DEVICE, RUN, 1, KEPT)
    device = simulated_device(1, client)
    if (client, run, number) == (DEVICE.client, RUN, 1):
        assert unseal(device, run, number, sealed) == KEPT
        return
    with pytest.raises(DamagedShareError, match=f"what {client} keeps of round {number} of {run}"):
        unseal(device, run, number, sealed)


@pytest.mark.parametrize("damage", [b"", b"short", bytes(SEAL_BYTES), bytes(200)])
def test_what_was_not_sealed_is_damaged(damage: bytes) -> None:
    with pytest.raises(DamagedShareError, match="was not sealed by its device"):
        unseal(DEVICE, RUN, 1, damage)


def test_a_simulated_device_follows_from_seed_and_client() -> None:
    assert simulated_device(1, "client-000001") == DEVICE
    others = [simulated_device(2, "client-000001"), simulated_device(1, "client-000002"), simulated_device(12, "client-1")]
    assert len({device.secret for device in (DEVICE, *others)}) == 4
    assert DEVICE.secret.hex() not in repr(DEVICE)
