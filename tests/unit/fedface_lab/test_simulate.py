"""`fedface simulate`: the model is that of the simulation, and what cannot be simulated is refused with the reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedface_cli.plan_files import read_plan, with_changes
from fedface_learning.formats.codec import sha256_hex
from fedface_learning.models import initial_network
from fedface_learning.models.weights import encode_network
from fedface_learning.seeding import use_deterministic_torch
from fedface_learning.simulation.simulate import simulate
from support.command_line import Invoke

SEEN = ("--set", "local_training.losses=seen")
ROUNDS = ("--set", "rounds=3")


def test_a_run_is_simulated_and_its_model_is_written(fedface: Invoke, plan: str, tmp_path: Path) -> None:
    use_deterministic_torch(1)
    expected = simulate(with_changes(read_plan(Path(plan)), ["rounds=3"]))
    output = tmp_path / "deep" / "model.safetensors"
    code, out, err = fedface("simulate", plan, *ROUNDS, "-o", str(output))
    assert code == 0, err
    assert output.read_bytes() == expected.model
    *table, last = out.splitlines()
    assert last == f"model {expected.model_sha256}  {output}"
    assert [line.split()[0] for line in table] == ["round", "before", "1", "2", "3"]
    scores = expected.rounds[-1].verification
    assert scores is not None
    assert table[-1].split()[-3] == f"{scores.scores.auc:.4f}"


def test_only_some_rounds_are_scored_and_a_script_is_told_of_all(fedface: Invoke, plan: str) -> None:
    code, out, err = fedface("simulate", plan, *ROUNDS, "--score-every", "2", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert [done["number"] for done in told["rounds"]] == [0, 1, 2, 3]
    assert [done["number"] for done in told["rounds"] if done["scores"]] == [0, 2, 3]
    assert told["model"] is None
    assert told["rounds"][3]["loss_after"] < told["rounds"][1]["loss_before"]


def test_a_stored_model_is_given_as_a_file(fedface: Invoke, plan: str, tmp_path: Path) -> None:
    data = encode_network(initial_network(read_plan(Path(plan)).model, 7))
    file = tmp_path / "start.safetensors"
    file.write_bytes(data)
    stored = ("--set", f"model.weights={sha256_hex(data)}", "--set", "rounds=1")
    code, _, err = fedface("simulate", plan, *stored)
    assert (code, err) == (
        2,
        f"error: the plan starts from the stored model {sha256_hex(data)}: give its file with --weights\n",
    )
    code, out, err = fedface("simulate", plan, *stored, "--weights", str(file), "--json")
    assert code == 0, err
    code, other, err = fedface("simulate", plan, "--set", "rounds=1", "--json")
    assert json.loads(out)["model_sha256"] != json.loads(other)["model_sha256"]
    file.write_bytes(encode_network(initial_network(read_plan(Path(plan)).model, 8)))
    code, _, err = fedface("simulate", plan, *stored, "--weights", str(file))
    assert code == 2
    assert f"the plan starts from {sha256_hex(data)}" in err


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (
            ("--set", "aggregation.mode=asynchronous", "--set", "cohort.quorum=1", "--set", "cohort.minimum=1"),
            "nothing asynchronous to simulate",
        ),
        (("--fused",), "fused"),
        (("--scored", "validation"), "validation"),
        (("-o", "/dev/null/model"), "/dev/null"),
    ],
)
def test_what_cannot_be_done_is_refused(fedface: Invoke, plan: str, options: tuple[str, ...], complaint: str) -> None:
    code, _, err = fedface("simulate", plan, *options)
    assert code == 2
    assert complaint in err
    assert "Traceback" not in err


def test_fused_rounds_say_that_they_round_otherwise(fedface: Invoke, plan: str) -> None:
    code, _, err = fedface("simulate", plan, "--set", "rounds=1", "--set", "local_training.steps=1", *SEEN, "--fused")
    assert code == 0, err
    assert "rounds were fused" in err
