"""The commands that work in this process: evaluate, pretrain, data preview."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from fedface_cli.plan_files import read_plan
from fedface_lab.results import figures
from fedface_learning.formats.codec import encode_tensors, sha256_hex
from fedface_learning.models import initial_network
from fedface_learning.models.weights import network_tensors
from fedface_learning.simulation.simulate import simulate
from support.command_line import Invoke
from support.protocol_trees import packed_set
from support.tiny_run import write_faces

SMALL = """
name = "small"
[model]
architecture = "spherenet-4"
height = 24
width = 20
channels = 1
embedding_size = 8
widths = [4, 4, 8, 8]
weights = "random"
[data]
dataset = "synthetic"
images_per_identity = 4
[split]
public = 4
clients = 2
test = 5
"""


@pytest.fixture
def plan(tmp_path: Path) -> str:
    path = tmp_path / "plan.toml"
    path.write_text(SMALL)
    return str(path)


def test_evaluate_scores_the_plans_test_identities(fedface: Invoke, plan: str) -> None:
    code, out, _ = fedface("evaluate", plan, "--json")
    assert code == 0
    scores = json.loads(out)
    assert 0 <= scores["auc"] <= 1
    assert scores["tar@1e-1"] is not None
    code, out, _ = fedface("evaluate", plan)
    assert code == 0
    assert "5 identities of synthetic: 30 genuine and 160 impostor pairs" in out
    assert f"{scores['auc']:.4f}" in out


def test_evaluate_without_a_plan_takes_all_people(fedface: Invoke, tmp_path: Path) -> None:
    for person in ("ann", "bob", "eve"):
        (tmp_path / "faces" / person).mkdir(parents=True)
        for number in range(2):
            Image.new("RGB", (30, 30), (len(person) * 9, 60 * number, 90)).save(
                tmp_path / "faces" / person / f"{number}.png"
            )
    options = ("--architecture", "mobilefacenet", "--dataset", "folder", "--folder", str(tmp_path / "faces"))
    code, out, err = fedface("evaluate", *options)
    assert code == 0, err
    assert "3 genuine and 12 impostor pairs" in out


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--model", "none.safetensors"), "cannot read none.safetensors: No such file"),
        (("--architecture", "resnet"), "these options do not go together:\n  architecture: Input should be"),
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


def test_a_plan_with_centring_is_evaluated_as_its_round_0_is(fedface: Invoke, tmp_path: Path) -> None:
    text = SMALL.replace('weights = "random"', 'weights = "random"\ncentring = true')
    (tmp_path / "plan.toml").write_text(text.replace("[data]", "[data]\nimages_per_client = 3"))
    code, out, err = fedface("evaluate", str(tmp_path / "plan.toml"), "--json", "--bootstrap", "0")
    assert code == 0, err
    result = simulate(read_plan(tmp_path / "plan.toml").model_copy(update={"rounds": 1}))
    enrolled = result.rounds[0].verification
    assert enrolled is not None
    found = json.loads(out)
    assert found.pop("notes") == ["centred by the plan's 2 clients, as its round 0 is"]
    assert found == {**figures(enrolled.scores), "intervals": {}}
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


def test_evaluate_refuses_weights_that_do_not_fit(fedface: Invoke, plan: str, tmp_path: Path) -> None:
    (tmp_path / "bad.safetensors").write_bytes(b"nonsense")
    code, _, err = fedface("evaluate", plan, "--model", str(tmp_path / "bad.safetensors"))
    assert code == 2
    assert "bad.safetensors" in err


def test_a_plan_that_starts_from_a_stored_model_needs_its_file(fedface: Invoke, tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(SMALL.replace('"random"', f'"{"a" * 64}"'))
    code, _, err = fedface("evaluate", str(tmp_path / "plan.toml"))
    assert code == 2
    assert "give its file with --model" in err


def test_pretrained_weights_can_be_evaluated(fedface: Invoke, plan: str, tmp_path: Path) -> None:
    output = tmp_path / "deep" / "weights.safetensors"
    code, out, err = fedface("pretrain", plan, "--epochs", "1", "--batch-size", "8", "--output", str(output))
    assert code == 0, err
    assert out.strip() == f"{sha256_hex(output.read_bytes())}  {output}"
    assert [path.name for path in output.parent.iterdir()] == ["weights.safetensors"]  # no checkpoint is left
    assert fedface("evaluate", plan, "--model", str(output), "--json")[1] != fedface("evaluate", plan, "--json")[1]


def test_pretraining_without_a_plan_says_who_may_be_tested_later(fedface: Invoke, plan: str, tmp_path: Path) -> None:
    options = ("--dataset", "orl", "--identities", "37", "--epochs", "1", "--output", str(tmp_path / "none" / "weights"))
    (tmp_path / "none").write_text("a file, so that nothing is trained")
    code, _, err = fedface("pretrain", *options)
    assert code == 2
    assert "without a plan, a later run on the same data set may test the people that this network learns from" in err
    assert f"cannot write {tmp_path / 'none'}: " in err
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


def test_preview_draws_rows_of_people(fedface: Invoke, tmp_path: Path) -> None:
    sheet = tmp_path / "new" / "sheet.png"
    size = ("--height", "40", "--width", "30")
    code, out, _ = fedface(
        "data", "preview", "--dataset", "orl", "--identities", "3", "--images", "4", *size, "-o", str(sheet)
    )
    assert code == 0
    assert out.strip() == f"{sheet}: 3 of 40 identities of orl"
    with Image.open(sheet) as image:
        assert image.height > 3 * 40
        assert image.width > 4 * 30


def test_a_model_whose_training_diverged_is_not_scored(fedface: Invoke, plan: str, tmp_path: Path) -> None:
    network = initial_network(read_plan(Path(plan)).model, 0)
    tensors = {name: tensor * float("nan") for name, tensor in network_tensors(network).items()}
    (tmp_path / "bad").write_bytes(encode_tensors(tensors))
    code, _, err = fedface("evaluate", plan, "--model", str(tmp_path / "bad"))
    assert code == 2
    assert "bad has values that are not finite, in " in err


def test_weights_cannot_be_written_where_a_folder_is(fedface: Invoke, plan: str, tmp_path: Path) -> None:
    code, _, err = fedface("pretrain", plan, "--output", str(tmp_path))
    assert code == 2
    assert f"{tmp_path} is a folder: give --output the name of a file" in err


def test_a_plan_may_begin_with_a_byte_order_mark(plan: str, tmp_path: Path) -> None:
    (tmp_path / "marked.toml").write_text(SMALL, encoding="utf-8-sig")
    assert read_plan(tmp_path / "marked.toml") == read_plan(Path(plan))
