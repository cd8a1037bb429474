"""`fedface pretrain`: weights are written whole, and settings are read or refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from fedface_learning.formats.codec import sha256_hex
from support.command_line import Invoke
from support.small_plan_file import SMALL_PLAN


def test_pretrained_weights_can_be_evaluated(fedface: Invoke, plan: str, tmp_path: Path) -> None:
    output = tmp_path / "deep" / "weights.safetensors"
    code, out, err = fedface("pretrain", plan, "--epochs", "1", "--batch-size", "8", "--output", str(output))
    assert code == 0, err
    sha256 = sha256_hex(output.read_bytes())
    assert out.strip() == f"{sha256}  {output}"
    code, out, err = fedface("pretrain", plan, "--epochs", "1", "--batch-size", "8", "--output", str(output), "--json")
    told = json.loads(out)
    assert (code, told["sha256"], told["file"]) == (0, sha256, str(output))
    assert (told["settings"]["epochs"], told["model"]["weights"]) == (1, "random")
    assert [path.name for path in output.parent.iterdir()] == ["weights.safetensors"]  # no checkpoint is left
    assert fedface("evaluate", plan, "--model", str(output), "--json")[1] != fedface("evaluate", plan, "--json")[1]


def test_pretraining_without_a_plan_says_who_may_be_tested_later(fedface: Invoke, plan: str, tmp_path: Path) -> None:
    options = ("--dataset", "orl", "--identities", "37", "--epochs", "1", "--output", str(tmp_path / "none" / "weights"))
    (tmp_path / "none").write_text("a file, so that nothing is trained")
    code, _, err = fedface("pretrain", *options)
    assert code == 2
    assert "without a plan, a later run on the same data set may test the people that this network learns from" in err
    assert f"cannot use {tmp_path / 'none'}" in err
    code, _, err = fedface("pretrain", plan, "--identities", "5", "--output", str(tmp_path / "weights"))
    assert code == 2
    assert "a command with a plan does not read --identities; leave it out" in err


def test_pretraining_by_options_takes_public_people_only(fedface: Invoke, tmp_path: Path) -> None:
    options = ("--dataset", "orl", "--identities", "39", "--output", str(tmp_path / "weights"))
    code, _, err = fedface("pretrain", *options)
    assert code == 2
    assert "the data set has 40" in err


def test_a_learning_rate_out_of_bounds_is_named(fedface: Invoke, plan: str, tmp_path: Path) -> None:
    code, _, err = fedface("pretrain", plan, "--learning-rate", "-1", "--output", str(tmp_path / "weights"))
    assert code == 2
    assert "learning_rate: Input should be greater than 0" in err


def test_settings_come_from_a_file_and_options_prevail(fedface: Invoke, plan: str, tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text("epochs = 1\nbatch_size = 8\nmargin = 0.2\n")

    def weights(*options: str) -> bytes:
        output = tmp_path / "weights"
        code, _, err = fedface("pretrain", plan, *options, "--output", str(output))
        assert code == 0, err
        return output.read_bytes()

    by_file = weights("--settings", str(settings))
    assert by_file == weights("--epochs", "1", "--batch-size", "8", "--margin", "0.2")
    assert weights("--settings", str(settings), "--margin", "0.3") != by_file


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "epochs = 0\nmomentun = 0.9\n",
            "settings.toml or the options of the command line are wrong:\n  epochs: Input should be",
        ),
        ("momentun = 0.9\n", "momentun: there is no such field"),
        ("epochs = ", "settings.toml is not TOML"),
    ],
)
def test_wrong_settings_are_named(fedface: Invoke, plan: str, tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "settings.toml").write_text(text)
    options = ("--settings", str(tmp_path / "settings.toml"), "--output", str(tmp_path / "weights"))
    code, _, err = fedface("pretrain", plan, *options)
    assert code == 2
    assert complaint in err


def test_weights_cannot_be_written_where_a_folder_is(fedface: Invoke, plan: str, tmp_path: Path) -> None:
    code, _, err = fedface("pretrain", plan, "--output", str(tmp_path))
    assert code == 2
    assert f"{tmp_path} is a folder: give the name of a file" in err
    os.mkfifo(tmp_path / "pipe")
    code, _, err = fedface("pretrain", plan, "--output", str(tmp_path / "pipe"))
    assert code == 2
    assert f"{tmp_path / 'pipe'} is no file, and a checkpoint could not lie beside it" in err


def test_a_plan_that_starts_from_a_stored_model_is_told_what_to_change(fedface: Invoke, tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(SMALL_PLAN.replace('"random"', f'"{"a" * 64}"'))
    code, _, err = fedface("pretrain", str(tmp_path / "plan.toml"), "--output", str(tmp_path / "weights"))
    assert code == 2
    assert "the plan starts from a stored model, and pre-training from a new network" in err
    assert "--model" not in err  # which `fedface pretrain` does not have
