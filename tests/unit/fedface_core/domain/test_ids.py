"""Ids of runs and clients."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from fedface_core.domain.ids import MOST_CLIENTS, ClientId, RunId, client_id, client_index, new_run_id


@given(st.integers(0, MOST_CLIENTS - 1))
def test_a_client_id_names_its_row(index: int) -> None:
    assert client_index(client_id(index)) == index
    TypeAdapter(ClientId).validate_python(client_id(index))


@given(st.lists(st.integers(0, MOST_CLIENTS - 1)))
def test_client_order_is_row_order(indices: list[int]) -> None:
    assert [client_index(client) for client in sorted(map(client_id, indices))] == sorted(indices)


def test_run_ids_are_valid_and_new() -> None:
    ids = {new_run_id() for _ in range(100)}
    assert len(ids) == 100
    for run_id in ids:
        TypeAdapter(RunId).validate_python(run_id)
