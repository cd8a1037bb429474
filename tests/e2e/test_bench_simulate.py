"""`fedface bench simulate` on real services: few clients, once."""

from __future__ import annotations

import json

import pytest

from support.command_line import Invoke

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]  # half a minute of work, perhaps on a busy machine


def test_it_measures_the_stack_and_the_bare_loop(fedface: Invoke) -> None:
    options = ["--clients", "4", "--repetitions", "1", "--processes", "1", "--artifacts", "s3", "--json"]
    status, out, err = fedface("bench", "simulate", *options)
    assert status == 0, err
    report = json.loads(out)
    assert (report["clients"], report["processes"], report["artifacts"]) == (4, 1, "s3")
    seconds = {name: figures["values"][0] for name, figures in report["round_seconds"].items()}
    assert seconds.keys() == {
        "bare loop",
        "bare loop, channels-last",
        "FedFace",
        "FedFace, combined",
        "FedFace, losses measured",
    }
    assert all(each > 0 for each in seconds.values())  # which is less, is a measurement and no test
    assert report["share_of_the_loop"]["FedFace"]["values"] == [seconds["bare loop"] / seconds["FedFace"]]
    assert report["step_ms"].keys() == {"fetch", "embed", "train", "put", "record"}
    assert all(milliseconds > 0 for milliseconds in report["step_ms"].values())
    assert "of the loop's" in err
