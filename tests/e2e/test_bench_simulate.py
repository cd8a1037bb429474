"""`fedface bench simulate` on real services: few clients, once."""

from __future__ import annotations

import json

import pytest

from loadtest.bench.stack_cpu import IDLE, IN_ALL
from support.command_line import Invoke

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]  # half a minute of work, perhaps on a busy machine


def test_it_measures_the_stack_and_the_bare_loop(fedface: Invoke) -> None:
    options = ["--clients", "4", "--repetitions", "1", "--processes", "1", "--artifacts", "s3", "--cpu", "--json"]
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
    assert report["cpu_ms"].keys() == seconds.keys() - {"bare loop", "bare loop, channels-last"}
    for roles in report["cpu_ms"].values():
        ms = {role: figures["values"][0] for role, figures in roles.items()}
        assert ms.keys() == {
            "client processes, main thread",
            "client processes, delivery",
            "client worker, which starts them",
            "aggregator",
            "control, sweep, evaluator",
            "Valkey",
            "S3 server",
            IN_ALL,
            IDLE,
        }
        # A client trains for five steps there, which no other role does; the others' shares are a measurement and no test.
        assert ms["client processes, main thread"] > ms["client processes, delivery"]
        assert ms[IN_ALL] == pytest.approx(sum(each for role, each in ms.items() if role not in {IN_ALL, IDLE}))
    assert "by role, in the measured rounds" in " ".join(err.split())
