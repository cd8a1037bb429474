"""`fedface bench secure-aggregation` reports what one round of a shard under masks cost."""

from __future__ import annotations

import pytest

from loadtest.bench.masking_cost import MaskingReport, measure_cost
from loadtest.bench.masking_tables import all_bytes
from support.command_line import Invoke


def test_each_size_and_length_is_reported(fedface: Invoke) -> None:
    chosen = ("--clients", "16", "--parameters", "100", "--parameters", "200", "--json")
    status, out, err = fedface("bench", "secure-aggregation", *chosen)
    assert status == 0
    report = MaskingReport.model_validate_json(out)
    [cost] = report.costs
    assert (report.against, cost.clients, cost.graph.degree) == ("curious", 16, 10)
    assert [(vector.parameters, vector.masked_bytes, vector.plain_bytes) for vector in cost.vectors] == [
        (100, 800, 400),
        (200, 1600, 800),
    ]
    assert "vectors: for each client" in err


@pytest.mark.parametrize("against", ["curious", "lying"])
def test_bytes_grow_with_neighbours_and_times_are_there(against: str) -> None:
    cost = measure_cost(16, [50], "lying" if against == "lying" else "curious")
    in_a_bundle = cost.bundle_bytes / cost.graph.degree
    assert 400 < in_a_bundle < 600, "two sealed shares and two digests, in hexadecimal digits"
    assert min(cost.share_ms, cost.agree_ms, cost.reveal_ms, cost.roster_ms, cost.recover_ms) > 0
    assert all_bytes(cost, cost.vectors[0]) == cost.bundle_bytes + cost.received_bytes + cost.revealed_bytes + 400


def test_a_shard_that_is_too_small_is_refused(fedface: Invoke) -> None:
    status, _, err = fedface("bench", "secure-aggregation", "--clients", "2")
    assert status == 2
    assert "clients" in err
