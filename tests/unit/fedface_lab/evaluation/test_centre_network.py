"""A network is centred as in round 0 of its plan, and the output says if it is not."""

from __future__ import annotations

import json
from pathlib import Path

from fedface_cli.plan_files import read_plan
from fedface_lab.results import figures
from fedface_learning.simulation.simulate import simulate
from support.command_line import Invoke
from support.protocol_trees import packed_set
from support.small_plan_file import SMALL_PLAN
from support.tiny_run import write_faces


def test_a_plan_with_centring_is_evaluated_as_its_round_0_is(fedface: Invoke, tmp_path: Path) -> None:
    text = SMALL_PLAN.replace('weights = "random"', 'weights = "random"\ncentring = true')
    (tmp_path / "plan.toml").write_text(text.replace("[data]", "[data]\nimages_per_client = 3"))
    code, out, err = fedface("evaluate", str(tmp_path / "plan.toml"), "--json", "--bootstrap", "0")
    assert code == 0, err
    result = simulate(read_plan(tmp_path / "plan.toml").model_copy(update={"rounds": 1}))
    enrolled = result.rounds[0].verification
    assert enrolled is not None
    found = json.loads(out)
    assert found.pop("notes") == ["centred by the plan's 2 clients, as its round 0 is"]
    beside = {"thresholds": dict(enrolled.thresholds), "cosines": enrolled.cosines.model_dump(), "intervals": {}}
    assert found == figures(enrolled.scores) | beside
    # A model that a run has trained brings its centre along.
    (tmp_path / "trained").write_bytes(result.model)
    options = ("--model", str(tmp_path / "trained"), "--json")
    assert json.loads(fedface("evaluate", str(tmp_path / "plan.toml"), *options)[1])["notes"] == []


def test_without_a_plan_the_output_says_that_the_network_is_not_centred(fedface: Invoke, tmp_path: Path) -> None:
    write_faces(tmp_path / "faces", identities=2)
    options = ("--dataset", "folder", "--folder", str(tmp_path / "faces"), "--bootstrap", "0")
    said = "the network is not centred, and a run's is"
    assert said in fedface("evaluate", *options)[1]
    assert json.loads(fedface("evaluate", *options, "--json")[1])["notes"][0].startswith(said)
    packed_set(tmp_path / "lfw.bin")
    assert said in fedface("evaluate", "--protocol", "insightface-bin", "--files", str(tmp_path / "lfw.bin"))[1]
