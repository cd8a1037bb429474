"""`fedface evaluate`: options and weights that do not go together are refused."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from fedface_cli.plan_files import read_plan
from fedface_core.domain.plan import DataPlan
from fedface_lab.data_options import Dataset
from fedface_lab.evaluation.commands import ProtocolChoice
from fedface_learning.evaluation import ProtocolName
from fedface_learning.formats.codec import encode_tensors
from fedface_learning.models import initial_network
from fedface_learning.models.weights import network_tensors
from support.command_line import Invoke
from support.small_plan_file import SMALL_PLAN


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--model", "none.safetensors"), "cannot read none.safetensors: No such file"),
        (("--architecture", "resnet"), "these options do not go together:\n  architecture: there is no 'resnet'"),
        (("--dataset", "folder"), "give `folder` (a path) with dataset 'folder'"),
        (("--identities", "5"), "--dataset orl does not read --identities; leave it out"),
        (("PLAN", "--dataset", "orl"), "a command with a plan does not read --dataset; leave it out"),
        (("PLAN", "--architecture", "spherenet-20"), "a command with a plan does not read --architecture; leave it out"),
    ],
)
def test_evaluate_says_what_is_wrong(fedface: Invoke, plan: str, options: tuple[str, ...], complaint: str) -> None:
    code, _, err = fedface("evaluate", *(plan if option == "PLAN" else option for option in options))
    assert code == 2
    assert complaint in err


def test_evaluate_refuses_weights_that_do_not_fit(fedface: Invoke, plan: str, tmp_path: Path) -> None:
    (tmp_path / "bad.safetensors").write_bytes(b"nonsense")
    code, _, err = fedface("evaluate", plan, "--model", str(tmp_path / "bad.safetensors"))
    assert code == 2
    assert "bad.safetensors" in err


def test_a_plan_that_starts_from_a_stored_model_needs_its_file(fedface: Invoke, tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(SMALL_PLAN.replace('"random"', f'"{"a" * 64}"'))
    code, _, err = fedface("evaluate", str(tmp_path / "plan.toml"))
    assert code == 2
    assert "give its file with --model" in err


def test_a_model_whose_training_diverged_is_not_scored(fedface: Invoke, plan: str, tmp_path: Path) -> None:
    network = initial_network(read_plan(Path(plan)).model, 0)
    tensors = {name: tensor * float("nan") for name, tensor in network_tensors(network).items()}
    (tmp_path / "bad").write_bytes(encode_tensors(tensors))
    code, _, err = fedface("evaluate", plan, "--model", str(tmp_path / "bad"))
    assert code == 2
    assert "bad has values that are not finite, in " in err


def test_every_data_set_of_plans_can_be_chosen() -> None:
    assert get_args(Dataset) == get_args(DataPlan.model_fields["dataset"].annotation)


def test_every_protocol_can_be_chosen() -> None:
    assert get_args(ProtocolChoice) == ("pairs", *get_args(ProtocolName))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--protocol", "lfw"), "--protocol lfw needs --files: the files that define the protocol"),
        (("--protocol", "lfw", "--files", "x"), "protocol 'lfw' needs the folder of its images"),
        (("--protocol", "lfw", "--dataset", "orl"), "--protocol lfw does not read --dataset; leave it out"),
        (("--files", "x", "--skip-missing"), "--protocol pairs does not read --files, --skip-missing; leave it out"),
        (("--protocol", "lfw", "--aligned"), "--protocol lfw does not read --aligned; leave it out"),
    ],
)
def test_options_that_do_not_go_together(fedface: Invoke, options: tuple[str, ...], complaint: str) -> None:
    code, _, err = fedface("evaluate", *options)
    assert code == 2
    assert complaint in err
