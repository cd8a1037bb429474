"""`fedface evaluate --protocol …` from files to figures, on stand-ins for the published sets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedface_learning.evaluation import faces
from fedface_learning.processes import processors
from support.command_line import Invoke
from support.protocol_trees import ijb_a_tree, ijb_bc_tree, lfw_pairs, lfw_tree, packed_set
from support.small_plan_file import SMALL_PLAN

FEW = ("--bootstrap", "20")  # resamples, to save time


@pytest.fixture
def plan(tmp_path: Path) -> str:
    """The small plan with square images, as the faces of the stand-ins are."""
    path = tmp_path / "plan.toml"
    path.write_text(SMALL_PLAN.replace("width = 20", "width = 24"))
    return str(path)


def test_lfw(fedface: Invoke, plan: str, tmp_path: Path) -> None:
    lfw_tree(tmp_path)
    (tmp_path / "pairs.txt").write_text(lfw_pairs(10, 4, "10\t4"))
    options = ("--protocol", "lfw", "--files", str(tmp_path / "pairs.txt"), "--images", str(tmp_path / "images"))
    command = ("evaluate", plan, *options)
    code, out, err = fedface(*command, "--json", "--bootstrap", "100")
    assert code == 0, err
    found = json.loads(out)
    accuracy = found["figures"]["accuracy"]
    assert 0.5 < accuracy["value"] <= 1
    assert accuracy["interval"][0] <= accuracy["value"] <= accuracy["interval"][1]
    assert found["figures"]["TAR at FAR 1e-2"] == {"value": None, "spread": None, "interval": None}
    assert found["spread_is"] == "standard error over folds"
    code, out, _ = fedface(*command)
    assert code == 0
    assert f"{100 * accuracy['value']:.2f} %" in out
    assert "unresolved" in out
    assert "± is the standard error over folds" in out
    assert "40 genuine pairs, 40 impostor pairs" in out
    assert fedface(*command, "--json", "--flip", "--bootstrap", "100")[1] != out


def test_lfw_with_missing_images(fedface: Invoke, plan: str, tmp_path: Path) -> None:
    lfw_tree(tmp_path)
    (tmp_path / "pairs.txt").write_text(lfw_pairs(10, 4, "10\t4"))
    (tmp_path / "images" / "P03" / "P03_0001.png").unlink()
    options = ("--protocol", "lfw", "--files", str(tmp_path / "pairs.txt"), "--images", str(tmp_path / "images"))
    command = ("evaluate", plan, *options)
    code, _, err = fedface(*command)
    assert code == 2
    assert "1 of the 36 images that the protocol names is missing" in err
    code, out, _ = fedface(*command, "--skip-missing", "--json")
    assert code == 0
    counts = json.loads(out)["counts"]
    assert counts["missing images"] == 1
    assert counts["pairs with a missing image"] > 0


def test_so_many_processes_may_decode_the_images(
    fedface: Invoke, plan: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []

    def worth_starting(workers: int, items: int) -> int:
        asked.append((workers, items))
        return 1

    monkeypatch.setattr(faces, "worth_starting", worth_starting)
    packed_set(tmp_path / "lfw.bin")
    command = ("evaluate", plan, "--protocol", "insightface-bin", "--files", str(tmp_path / "lfw.bin"))
    outputs = {fedface(*command, *options) for options in ((), ("--workers", "1"), ("--workers", "3"))}
    assert len(outputs) == 1
    assert asked == [(processors(), 40), (1, 40), (3, 40)]


def test_lfw_view_1(fedface: Invoke, plan: str, tmp_path: Path) -> None:
    lfw_tree(tmp_path)
    for part in ("Train", "Test"):
        (tmp_path / f"pairsDev{part}.txt").write_text(lfw_pairs(1, 8, "8"))
    options = ("--protocol", "lfw-view-1", "--files", str(tmp_path), "--images", str(tmp_path / "images"))
    code, out, err = fedface("evaluate", plan, *options)
    assert code == 0, err
    assert "accuracy" in out
    assert "16 training pairs" in out


def test_a_packed_set(fedface: Invoke, plan: str, tmp_path: Path) -> None:
    packed_set(tmp_path / "agedb_30.bin")
    code, out, err = fedface(
        "evaluate", plan, "--protocol", "insightface-bin", "--files", str(tmp_path / "agedb_30.bin"), "--flip"
    )
    assert code == 0, err
    assert "agedb_30" in out
    assert "± is the standard deviation over folds" in out
    assert "no intervals: a .bin set does not say who is in its images" in out


def test_ijb_a_from_photographs_and_from_aligned_faces(fedface: Invoke, plan: str, tmp_path: Path) -> None:
    ijb_a_tree(tmp_path)
    command = ("evaluate", plan, "--protocol", "ijb-a", "--files", str(tmp_path / "protocol"), "--json", *FEW, "--images")
    code, out, err = fedface(*command, str(tmp_path / "images"))
    assert code == 0, err
    found = json.loads(out)
    assert found["figures"]["1:N rank 1"]["value"] is not None
    assert found["figures"]["1:1 TAR at FAR 1e-4"]["value"] is None
    assert found["spread_is"] == "standard deviation over 10 splits"
    code, out, err = fedface(*command, str(tmp_path / "aligned"), "--aligned")
    assert code == 0, err
    assert json.loads(out) == found  # the boxes are exactly those faces


@pytest.mark.parametrize(
    ("protocol", "prefix", "galleries"), [("ijb-b", "ijbb", ("S1", "S2")), ("ijb-c", "ijbc", ("G1", "G2"))]
)
def test_ijb_b_and_ijb_c(
    fedface: Invoke, plan: str, tmp_path: Path, protocol: str, prefix: str, galleries: tuple[str, str]
) -> None:
    ijb_bc_tree(tmp_path, prefix, galleries)
    options = ("--protocol", protocol, "--files", str(tmp_path / "meta"), "--images", str(tmp_path / "images"))
    code, out, err = fedface("evaluate", plan, *options)
    assert code == 0, err
    assert "1:1 TAR at FAR 1e-6" in out
    assert "1:N rank 10" in out
    assert "± is the standard deviation over both galleries" in out
    code, _, err = fedface("evaluate", plan, *options, "--weigh-faces")
    assert code == 2
    assert f"{prefix}_name_5pts_score.txt" in err


def test_ijb_c_with_templates_without_images(fedface: Invoke, plan: str, tmp_path: Path) -> None:
    ijb_bc_tree(tmp_path, "ijbc", ("G1", "G2"))
    media = tmp_path / "meta" / "ijbc_face_tid_mid.txt"
    media.write_text("".join(line for line in media.read_text().splitlines(keepends=True) if line.split()[1] != "13"))
    options = ("--protocol", "ijb-c", "--files", str(tmp_path / "meta"), "--images", str(tmp_path / "images"))
    code, _, err = fedface("evaluate", plan, *options)
    assert code == 2
    assert "there is no template 13 in" in err
    assert "or count it as a failure to enrol" in err
    code, out, err = fedface("evaluate", plan, *options, "--skip-missing", "--json", *FEW)
    assert code == 0, err
    found = json.loads(out)
    assert found["counts"]["1:N templates that failed to enrol"] == 2  # it is searched in both galleries
    assert found["notes"] == ["templates without an image in ijbc_face_tid_mid.txt, which failed to enrol: 1"]


def test_a_list_of_pairs(fedface: Invoke, plan: str, tmp_path: Path) -> None:
    lfw_tree(tmp_path)
    lines = [f"P{pair:02}/P{pair:02}_0001.jpg P{pair:02}/P{pair:02}_0002.jpg 1" for pair in range(10)]
    lines += [f"P{pair:02}/P{pair:02}_0001.jpg P{pair + 1:02}/P{pair + 1:02}_0002.jpg 0" for pair in range(10)]
    (tmp_path / "mine.txt").write_text("\n".join(lines))
    options = ("--protocol", "pair-list", "--files", str(tmp_path / "mine.txt"), "--images", str(tmp_path / "images"))
    code, out, err = fedface("evaluate", plan, *options, *FEW)
    assert code == 0, err
    for expected in ("mine", "accuracy", "TAR at FAR 1e-1", "AUC", "EER", "the list was read as path, path, label"):
        assert expected in out
    assert "10 genuine pairs, 10 impostor pairs" in out
