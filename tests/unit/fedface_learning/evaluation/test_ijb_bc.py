"""What a malformed file of IJB-B is told: the file, the line, and what was expected in it. IJB-C's are read alike."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.evaluation import open_protocol
from fedface_learning.evaluation.faces import EmbeddedFaces
from fedface_learning.evaluation.ijb_bc import IjbBC
from support.protocol_trees import ijb_bc_tree, refused

MEDIA = "ijbb_face_tid_mid.txt"
LABELS = "ijbb_template_pair_label.txt"
S2 = "ijbb_1N_gallery_S2.csv"
MIXED = "ijbb_1N_probe_mixed.csv"


@pytest.fixture(scope="module")
def ijb_b(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ijb-b")
    ijb_bc_tree(root)
    return root


FACE = "an image name, a template number and a medium number"
UNKNOWN = f"there is no template 99 in ROOT/{MEDIA}; add its images, or count it as a failure to enrol"
PAIR = "two template numbers and 1 (same person) or 0"


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        (MEDIA, "", f"FILE is empty; it should hold {FACE} a line"),
        (MEDIA, "1.jpg 1 2\n2.jpg 1\n", f"FILE, line 2: expected {FACE}, not '2.jpg 1'"),
        (MEDIA, "1.jpg one 2\n", "FILE, line 1: expected a template number, a whole number, not 'one'"),
        (
            MEDIA,
            f"1.jpg 1 {'9' * 20}\n",
            f"FILE, line 1: expected a medium number, a whole number of at most 18 digits, not '{'9' * 20}'",
        ),
        (LABELS, "\n \n", f"FILE is empty; it should hold {PAIR} a line"),
        (
            LABELS,
            f"0 10 1\n{'9' * 20} 10 1\n",
            f"FILE, line 2: expected a template number, a whole number of at most 18 digits, not '{'9' * 20}'",
        ),
        (LABELS, "0 10 1\n\n0 11 2\n", f"FILE, line 3: expected {PAIR}, not '0 11 2'"),
        (LABELS, "0 10 1\n\n0 99 0\n", f"FILE, line 3: {UNKNOWN}"),
        (LABELS, "", f"FILE is empty; it should hold {PAIR} a line"),
        (LABELS, "0 10 1\n0 10\n", f"FILE, line 2: expected {PAIR}, not '0 10'"),
        (LABELS, "0 10 1\n0 ten 1\n", "FILE, line 2: expected a template number, a whole number, not 'ten'"),
        (LABELS, "0 10 1\n0 11 -1\n", "FILE, line 2: expected a label, a whole number, not '-1'"),
        (LABELS, "0 10 1\n0 11 2\n", f"FILE, line 2: expected {PAIR}, not '0 11 2'"),
        (LABELS, "0 10 1\n0 99 0\n", f"FILE, line 2: {UNKNOWN}"),
        (
            LABELS,
            "0 10 1\n0 11 1\n",
            "FILE, line 2: the label is 1, but templates 0 and 11 are of two people in the gallery and probe files",
        ),
        (
            LABELS,
            "0 10 0\n",
            "FILE, line 1: the label is 0, but templates 0 and 10 are of one person in the gallery and probe files",
        ),
        (
            S2,
            "TEMPLATE_ID\n3\n",
            "FILE, line 1: expected a header with TEMPLATE_ID, SUBJECT_ID (missing: SUBJECT_ID), not 'TEMPLATE_ID'",
        ),
        (S2, "TEMPLATE_ID,SUBJECT_ID\n99,1\n", f"FILE, line 2: {UNKNOWN}"),
        (S2, "TEMPLATE_ID,SUBJECT_ID\n10,0\n11,1\n", "FILE: 2 templates are in the gallery and among the probes: 10, 11"),
        (
            MIXED,
            None,
            "cannot read FILE: No such file or directory; "
            "it should hold a header with TEMPLATE_ID, SUBJECT_ID, then a row a face",
        ),
    ],
)
def test_ijb_b(ijb_b: Path, tmp_path: Path, file: str, text: str | None, message: str) -> None:
    shutil.copytree(ijb_b / "meta", tmp_path / "meta")
    path = tmp_path / "meta" / file
    path.unlink() if text is None else path.write_text(text)
    said = refused("ijb-b", tmp_path / "meta", ijb_b / "images", path)
    assert said.replace(str(tmp_path / "meta"), "ROOT") == message


def test_ijb_b_without_anything_to_evaluate(ijb_b: Path, tmp_path: Path) -> None:
    shutil.copy(ijb_b / "meta" / MEDIA, tmp_path / MEDIA)
    said = refused("ijb-b", tmp_path, ijb_b / "images")
    names = "ijbb_1N_probe_mixed.csv, ijbb_1N_gallery_S1.csv, ijbb_1N_gallery_S2.csv"
    assert said == f"FILE has neither {LABELS} nor {names}: nothing to evaluate"


@pytest.mark.parametrize("file", [MEDIA, LABELS, S2, MIXED])
def test_a_byte_order_mark_and_windows_line_ends_change_nothing(ijb_b: Path, tmp_path: Path, file: str) -> None:
    shutil.copytree(ijb_b / "meta", tmp_path / "meta")
    text = (tmp_path / "meta" / file).read_text()
    (tmp_path / "meta" / file).write_text(text.replace("\n", "\r\n"), encoding="utf-8-sig", newline="")
    as_published = open_protocol("ijb-b", ijb_b / "meta", ijb_b / "images")
    assert repr(open_protocol("ijb-b", tmp_path / "meta", ijb_b / "images")) == repr(as_published)


@pytest.mark.parametrize("file", [LABELS, S2])
def test_the_files_of_another_benchmark_are_not_all_failures_to_enrol(ijb_b: Path, tmp_path: Path, file: str) -> None:
    shutil.copytree(ijb_b / "meta", tmp_path / "meta")
    (tmp_path / "meta" / file).write_text("900 901 0\n" if file == LABELS else "TEMPLATE_ID,SUBJECT_ID\n900,1\n901,2\n")
    with pytest.raises(
        InvalidInputError, match=rf"{file}(, line 1: there is no template 900 in|: no template in it has an image)"
    ):
        open_protocol("ijb-b", tmp_path / "meta", ijb_b / "images", skip_missing=True)


SCORES = "ijbb_name_5pts_score.txt"
POINTS = "1 2 3 4 5 6 7 8 9 10"


def scored(ijb_b: Path, copy: Path, *further: str) -> Path:
    """Copy the tree's files, with a score of each face: 0.5 of the first, 1 of the others; then ``further`` lines."""
    files = Path(shutil.copytree(ijb_b / "meta", copy))
    names = dict.fromkeys(line.split()[0] for line in (files / MEDIA).read_text().splitlines())
    lines = [f"{name} {POINTS} {0.5 if place == 0 else 1}" for place, name in enumerate(names)]
    (files / SCORES).write_text("\n".join([*lines, f"other.jpg {POINTS} 0.1", *further]))
    return files


def test_faces_are_weighed_by_the_detectors_scores(ijb_b: Path, tmp_path: Path) -> None:
    files = scored(ijb_b, tmp_path / "files")
    protocol = open_protocol("ijb-b", files, ijb_b / "images", weigh_faces=True)
    assert isinstance(protocol, IjbBC)
    assert protocol.detector_scores_N is not None
    assert protocol.detector_scores_N.tolist() == [0.5, *[1.0] * (len(protocol.faces) - 1)]
    draws = np.random.default_rng(0)
    vectors_ND = draws.normal(size=(len(protocol.faces), 4)).astype(np.float32)
    vectors_ND /= np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    faces = EmbeddedFaces(torch.from_numpy(vectors_ND), np.ones(len(vectors_ND), np.bool_))
    plain = open_protocol("ijb-b", files, ijb_b / "images")
    weights_N = np.where(np.arange(len(vectors_ND)) == 0, 0.5, 1.0)
    assert protocol.score(faces, 0).figures == plain.score(faces.weighed(weights_N), 0).figures


@pytest.mark.parametrize("score", ["1 0.5", f"{POINTS} much", f"{POINTS} 1.5", f"{POINTS} nan", ""])
def test_a_line_without_a_score_is_named(ijb_b: Path, tmp_path: Path, score: str) -> None:
    files = scored(ijb_b, tmp_path / "files", f"1.jpg {score}")
    with pytest.raises(InvalidInputError, match=rf"{SCORES}, line \d+: expected an image name, ten coordinates and a score"):
        open_protocol("ijb-b", files, ijb_b / "images", weigh_faces=True)


def test_each_face_needs_a_score(ijb_b: Path, tmp_path: Path) -> None:
    files = scored(ijb_b, tmp_path / "files")
    (files / SCORES).write_text(f"1.jpg {POINTS} 0.5")
    with pytest.raises(InvalidInputError, match=rf"{SCORES} has no score of 29 of the 30 faces"):
        open_protocol("ijb-b", files, ijb_b / "images", weigh_faces=True)
