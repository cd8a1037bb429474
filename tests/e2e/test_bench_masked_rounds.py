"""`fedface bench masked-rounds` on real services: few clients, once."""

from __future__ import annotations

import json

import pytest

from support.command_line import Invoke

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]  # half a minute of work, perhaps on a busy machine


def test_it_compares_rounds_with_masks_with_plain_ones(fedface: Invoke) -> None:
    options = ["--clients", "16", "--shard", "16", "--steps", "1", "--repetitions", "1", "--processes", "1", "--json"]
    status, out, err = fedface("bench", "masked-rounds", *options)
    assert status == 0, err
    report = json.loads(out)
    masked = "masked in shards of 16"
    seconds = {name: figures["values"][0] for name, figures in report["round_seconds"].items()}
    assert seconds.keys() == report["kilobytes"].keys() == {"plain", masked}
    assert all(each > 0 for each in seconds.values())  # which is less, is a measurement and no test
    assert report["times_plain"][masked]["values"] == [seconds[masked] / seconds["plain"]]
    # Each of two rounds puts 294,128 numbers of four bytes without masks, and of eight with them.
    assert report["kilobytes"]["plain"] > 2 * 294_128 * 4 / 1000
    assert 2 < report["bytes_of_plain"][masked] < 2.3
    assert "bytes : plain" in " ".join(err.split())
