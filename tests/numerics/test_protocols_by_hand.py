"""Tiny protocols with figures that are computed by hand: faces are directions in the plane, given by their angles."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from fedface_learning.evaluation import EvaluationProtocol, open_protocol
from fedface_learning.evaluation.bootstrap import draw_people
from fedface_learning.evaluation.faces import EmbeddedFaces
from fedface_learning.evaluation.figures import ProtocolResult
from fedface_learning.evaluation.ijb_a import IjbA
from fedface_learning.evaluation.insightface import PackedPairs
from fedface_learning.evaluation.template_scores import verification
from support.protocol_trees import ijb_a_tree, ijb_bc_tree, lfw_pairs, lfw_tree, packed_set


def at_angles(protocol: EvaluationProtocol, degrees: Mapping[str, float]) -> EmbeddedFaces:
    """The embeddings of the protocol's faces, by file name without suffix. A face without an angle is missing."""
    angles = [degrees.get(Path(str(face)).stem, np.nan) for face in protocol.faces]
    vectors_ND = np.nan_to_num(np.stack([np.cos(np.radians(angles)), np.sin(np.radians(angles))], axis=1))
    return EmbeddedFaces(torch.from_numpy(vectors_ND).float(), ~np.isnan(angles))


LFW = "2\t2\nA\t1\t2\nB\t1\t2\nA\t1\tB\t1\nA\t2\tC\t1\nC\t1\t2\nD\t1\t2\nC\t1\tD\t1\nC\t2\tA\t1\n"
FACES = {"A_0001": 0, "A_0002": 20, "B_0001": 100, "B_0002": 130, "C_0001": 60, "C_0002": 110, "D_0001": 200, "D_0002": 230}


def assert_every_pair_is_counted(result: ProtocolResult) -> None:
    """The histograms hold each 1:1 pair whose faces or templates are all there."""
    assert result.cosines is not None
    counts = result.counts
    missing = counts.get("pairs with a missing image", 0)
    pairs = counts["genuine pairs"] + counts["impostor pairs"] - missing
    assert sum(result.cosines.genuine) + sum(result.cosines.impostor) == pairs
    assert sum(result.cosines.genuine) <= counts["genuine pairs"]


def test_lfw_view_2(tmp_path: Path) -> None:
    # Fold 1, angles: A–A 20, B–B 30; A–B 100, A–C 40. Parted at cos between 30° and 40°: 0.8160.
    # Fold 2, angles: C–C 50, D–D 30; C–D 140, C–A 110. Parted between 50° and 110°: (0.6428 − 0.3420)/2 = 0.1504.
    # Fold 1 with 0.1504 (81.3°): A–C at 40° is taken for one person: 3 of 4. Fold 2 with 0.8160 (35.3°): C–C at 50° is
    # missed: 3 of 4. Mean 0.75, standard error 0. FAR 0.1 of 4 impostor pairs is not even one: unresolved.
    (tmp_path / "pairs.txt").write_text(LFW)
    protocol = open_protocol("lfw", tmp_path / "pairs.txt", tmp_path)
    result = protocol.score(at_angles(protocol, FACES), 200)
    assert_every_pair_is_counted(result)
    accuracy = result.figures["accuracy"]
    assert (accuracy.value, accuracy.spread) == (0.75, 0.0)
    # In a resample a genuine pair of A counts a times, a pair of A and C a·c times. Wrong are A–C of fold 1 and C–C.
    a, b, c, d = draw_people(4, 200)[:, :4].T
    right = a + b + a * b + d + c * d + c * a
    shares = right / (right + a * c + c)
    assert accuracy.interval == pytest.approx(tuple(np.quantile(shares, [0.025, 0.975])))
    assert result.figures["TAR at FAR 1e-1"].value is None
    assert result.counts == {
        "folds": 2,
        "images": 8,
        "missing images": 0,
        "genuine pairs": 4,
        "impostor pairs": 4,
        "pairs with a missing image": 0,
    }


def test_a_missing_image_matches_nobody(tmp_path: Path) -> None:
    # Without C_0001 its pairs are all "different": C–C is missed, A–C and C–D are right. Fold 1 has A–A 20, B–B 30, A–B 100
    # and one −∞: parted midway between 30° and 100°, 0.3462. Fold 2 with it: C–C missed, D–D 30° accepted, C–D refused,
    # C–A at 110° refused: 3 of 4. Fold 2's scores are D–D 0.8660, C–A −0.3420: 0.2620 (74.8°) parts fold 1 wholly: 4 of 4.
    # Mean 0.875; standard error √(2 · 0.125² / 1) / √2 = 0.125.
    (tmp_path / "pairs.txt").write_text(LFW)
    protocol = open_protocol("lfw", tmp_path / "pairs.txt", tmp_path)
    faces = at_angles(protocol, {name: angle for name, angle in FACES.items() if name != "C_0001"})
    result = protocol.score(faces, 0)
    assert result.figures["accuracy"].value == 0.875
    assert result.figures["accuracy"].spread == pytest.approx(0.125)
    assert result.figures["accuracy"].interval is None
    assert result.counts["missing images"] == 1
    assert result.counts["pairs with a missing image"] == 3


def test_lfw_view_1(tmp_path: Path) -> None:
    # With C_0002 at 70°: the threshold of fold 1 above (0.8160, 35.3°) accepts C–C at 10° and D–D at 30°, and refuses C–D at
    # 140° and C–A at 70°: 4 of 4. The other way round, fold 2's threshold (52.8°) would take A–C at 40° for one person.
    lines = LFW.splitlines()
    (tmp_path / "pairsDevTrain.txt").write_text("\n".join(["2", *lines[1:5]]))
    (tmp_path / "pairsDevTest.txt").write_text("\n".join(["2", *lines[5:]]))
    protocol = open_protocol("lfw-view-1", tmp_path, tmp_path)
    result = protocol.score(at_angles(protocol, {**FACES, "C_0002": 70}), 100)
    assert result.figures["accuracy"].value == 1
    assert (result.counts["training pairs"], result.counts["genuine pairs"], result.counts["impostor pairs"]) == (4, 2, 2)


def test_a_packed_set(tmp_path: Path) -> None:
    # 20 pairs in turn genuine (30° apart) and impostor (60° apart): each fold is one of each, and all are parted. Then the
    # last fold's impostor pair at 10°: right on all folds but the last, where the threshold of the others takes it: 0.95 ±
    # the standard deviation of nine 1s and a ½, √(0.9 · 0.05² + 0.1 · 0.45²) = 0.15.
    packed_set(tmp_path / "toy.bin")
    protocol = PackedPairs.open(tmp_path / "toy.bin")
    angles = np.array([[0, 30] if pair % 2 == 0 else [0, 60] for pair in range(20)], dtype=float)
    angles[19, 1] = 10
    vectors_ND = np.stack([np.cos(np.radians(angles.ravel())), np.sin(np.radians(angles.ravel()))], axis=1)
    result = protocol.score(EmbeddedFaces(torch.from_numpy(vectors_ND).float(), np.ones(40, dtype=np.bool_)), 100)
    assert_every_pair_is_counted(result)
    assert result.protocol == "toy"
    assert result.figures["accuracy"].value == pytest.approx(0.95)
    assert result.figures["accuracy"].spread == pytest.approx(0.15)
    assert result.figures["accuracy"].interval is None
    # Ten impostor pairs: at FAR 0.1 one may be accepted, the one at 10°; all genuine ones are above those at 60°.
    assert result.figures["TAR at FAR 1e-1"].value == 1.0
    assert result.figures["TAR at FAR 1e-2"].value is None


# Person p's gallery template is a still at 40p° and a video of two frames, 20° to either side: it points to 40p°.
IJB_A = {
    **{f"{person}_0": 40 * person for person in range(4)},
    **{f"{person}_2": 40 * person - 20 for person in range(4)},
    **{f"{person}_3": 40 * person + 20 for person in range(4)},
    "0_1": 5,
    "1_1": 78,
    "2_1": 80,
    "4_1": 160,
    "5_1": 300,
}


def test_ijb_a(tmp_path: Path) -> None:
    ijb_a_tree(tmp_path)
    protocol = open_protocol("ijb-a", tmp_path / "protocol", tmp_path / "images")
    assert isinstance(protocol, IjbA)
    faces = at_angles(protocol, IJB_A)
    # 1:1, a split: genuine at 5°, 38°, 0°. The 17 impostor pairs, nearest first: 2°, 35°, 40° (three times), 42° …
    # At FAR 0.1 one may be accepted: above cos 35°, which 38° does not reach: 2 of 3. 1e-2 is not resolved by 17.
    figures, counts, cosines = verification(protocol.comparisons, faces, [0.1], None)
    assert sum(cosines.genuine) + sum(cosines.impostor) == counts["genuine pairs"] + counts["impostor pairs"]
    assert figures["1:1 TAR at FAR 1e-1"].value == pytest.approx(2 / 3)
    assert figures["1:1 TAR at FAR 1e-1"].spread == pytest.approx(0)
    assert (counts["genuine pairs"], counts["impostor pairs"]) == (30, 170)
    # 1:N: probe 0 finds 0; probe 1 at 78° is nearer to 2's 80° than to its own 40°; probe 2 finds 2. Two strangers resolve
    # neither FPIR.
    result = protocol.score(faces, 400)
    assert result.figures["1:1 TAR at FAR 1e-2"].value is None
    assert result.figures["1:N rank 1"].value == pytest.approx(2 / 3)
    assert result.figures["1:N rank 1"].interval == (0, 1)
    assert result.figures["1:N rank 5"].value == 1
    assert result.figures["1:N TPIR at FPIR 1e-1"].value is None
    assert result.counts["mated probes"] == 30
    assert result.counts["non-mated probes"] == 20
    assert not result.notes


def test_ijb_a_counts_templates_that_fail_to_enrol(tmp_path: Path) -> None:
    # Probe 2 has no image: it is never found, in any split.
    ijb_a_tree(tmp_path)
    protocol = open_protocol("ijb-a", tmp_path / "protocol", tmp_path / "images")
    result = protocol.score(at_angles(protocol, {name: angle for name, angle in IJB_A.items() if name != "2_1"}), 0)
    assert result.figures["1:N rank 1"].value == pytest.approx(1 / 3)
    assert result.figures["1:N rank 10"].value == pytest.approx(2 / 3)
    assert result.counts["missing images"] == 1
    assert result.counts["1:1 templates that failed to enrol"] == 10
    assert result.counts["1:N templates that failed to enrol"] == 10


def test_ijb_a_evaluates_the_task_that_is_there_and_says_so(tmp_path: Path) -> None:
    ijb_a_tree(tmp_path)
    (tmp_path / "protocol" / "IJB-A_11_sets").rename(tmp_path / "elsewhere")
    protocol = open_protocol("ijb-a", tmp_path / "protocol", tmp_path / "images")
    result = protocol.score(at_angles(protocol, IJB_A), 0)
    assert result.cosines is None
    assert result.notes == ["not evaluated: IJB-A_11_sets is not among the files"]
    assert not any(name.startswith("1:1") for name in result.figures)


@pytest.mark.parametrize(("name", "prefix", "galleries"), [("ijb-b", "ijbb", ("S1", "S2")), ("ijb-c", "ijbc", ("G1", "G2"))])
def test_ijb_b_and_ijb_c(tmp_path: Path, name: str, prefix: str, galleries: tuple[str, str]) -> None:
    # Person p, images 5p + 1 … 5p + 5: gallery template from the first two, 10° to either side of 60p°; one probe from the
    # third at 60p°, one from the fourth and fifth at 60p + 5°; but the first probe of person 0 at 40°, nearer to 1 than 0.
    ijb_bc_tree(tmp_path, prefix, galleries)
    degrees = {}
    for person in range(6):
        for image, offset in enumerate((-10, 10, 0, 5, 5), start=1):
            degrees[str(5 * person + image)] = 60 * person + offset
    degrees["3"] = 40
    assert name in ("ijb-b", "ijb-c")
    protocol = open_protocol(name, tmp_path / "meta", tmp_path / "images")  # type: ignore[arg-type]
    result = protocol.score(at_angles(protocol, degrees), 200)
    assert_every_pair_is_counted(result)
    # 1:1: 12 genuine pairs at 0°, 5° and one at 40°; 60 impostor pairs, nearest first: 20° (probe at 40° against 1), then
    # 55° and more. At FAR 0.1 six may be accepted: 20° and five at 55°; 40° is above 55°: all accepted. 1e-2 is unresolved.
    assert result.figures["1:1 TAR at FAR 1e-1"].value == 1
    assert result.figures["1:1 TAR at FAR 1e-2"].value is None
    # 1:N, first gallery (0, 1, 2): six mated probes, five found first. Second gallery (3, 4, 5): all six. Mean 11⁄12 ± the
    # standard deviation of 5⁄6 and 1, 0.1179. FPIR 0.1 of six strangers is unresolved.
    assert result.figures["1:N rank 1"].value == pytest.approx(11 / 12)
    assert result.figures["1:N rank 1"].spread == pytest.approx(0.117851, abs=1e-6)
    assert result.figures["1:N rank 5"].value == 1
    assert result.figures["1:N TPIR at FPIR 1e-1"].value is None
    assert result.figures["1:N rank 1"].interval is not None
    assert not result.notes


def test_ijb_b_without_the_searches_has_no_people(tmp_path: Path) -> None:
    ijb_bc_tree(tmp_path)
    for path in (tmp_path / "meta").glob("*_1N_*"):
        path.unlink()
    protocol = open_protocol("ijb-b", tmp_path / "meta", tmp_path / "images")
    result = protocol.score(at_angles(protocol, {str(image): 12 * image for image in range(1, 31)}), 200)
    assert_every_pair_is_counted(result)
    absent = "ijbb_1N_probe_mixed.csv, ijbb_1N_gallery_S1.csv, ijbb_1N_gallery_S2.csv"
    assert result.notes == [
        f"1:N not evaluated: {absent} are not among the files",
        "no 1:1 intervals: the files do not name the people of all templates",
    ]
    assert result.figures["1:1 TAR at FAR 1e-1"].value is not None
    assert result.figures["1:1 TAR at FAR 1e-1"].interval is None


@pytest.mark.parametrize("template", [3, 13], ids=["gallery", "probe"])
def test_a_template_without_images_is_a_failure_to_enrol(tmp_path: Path, template: int) -> None:
    """As if its images were listed and not there: it stays in every denominator, and nothing else changes."""
    ijb_bc_tree(tmp_path, "ijbc", ("G1", "G2"))
    degrees = {str(image): 7.0 * image for image in range(1, 31)}
    whole = open_protocol("ijb-c", tmp_path / "meta", tmp_path / "images")
    media = tmp_path / "meta" / "ijbc_face_tid_mid.txt"
    lines = media.read_text().splitlines()
    own = [line for line in lines if line.split()[1] == str(template)]
    gone = {line.split()[0].removesuffix(".jpg") for line in own}
    missing = whole.score(at_angles(whole, {face: angle for face, angle in degrees.items() if face not in gone}), 50)
    media.write_text("\n".join(line for line in lines if line not in own) + "\n")
    protocol = open_protocol("ijb-c", tmp_path / "meta", tmp_path / "images", skip_missing=True)
    result = protocol.score(at_angles(protocol, degrees), 50)
    assert result.figures == missing.figures
    assert result.counts == {**missing.counts, "images": 30 - len(own), "missing images": 0}
    assert result.counts["1:1 templates that failed to enrol"] == 1
    assert result.notes == ["templates without an image in ijbc_face_tid_mid.txt, which failed to enrol: 1"]
    everywhere = whole.score(at_angles(whole, degrees), 50)
    for kind in ("genuine pairs", "impostor pairs", "mated probes", "non-mated probes"):
        assert result.counts[kind] == everywhere.counts[kind]


KAGGLE = "name,imagenum1,imagenum2,\n"


def test_a_list_of_pairs_has_the_figures_of_lfw_in_every_layout(tmp_path: Path) -> None:
    lfw_tree(tmp_path)
    lfw = lfw_pairs(10, 4, "10\t4")
    rows = [line.split("\t") for line in lfw.splitlines()[1:]]
    named = []
    for row in rows:
        name, number, *other = row if len(row) == 4 else [row[0], row[1], row[0], row[2]]
        named.append((f"{name}_{number.zfill(4)}", f"{other[0]}_{other[1].zfill(4)}", int(len(row) == 3)))
    layouts = {
        "pairs.csv": KAGGLE + "\n".join(",".join([*row, ""][:4]) for row in rows),
        "tree.txt": "\n".join(f"{one[:3]}/{one}.jpg {two[:3]}/{two}.png {same}" for one, two, same in named),
        "calfw.txt": "\n".join(f"{face[:3]}/{face}.png {same}" for one, two, same in named for face in (one, two)),
    }
    (tmp_path / "pairs.txt").write_text(lfw)
    protocol = open_protocol("lfw", tmp_path / "pairs.txt", tmp_path / "images")
    angles = {Path(str(face)).stem: (37.0 * number) % 90 for number, face in enumerate(protocol.faces)}
    expected = protocol.score(at_angles(protocol, angles), 50)
    for name, text in layouts.items():
        (tmp_path / name).write_text(text)
        listed = open_protocol("pair-list", tmp_path / name, tmp_path / "images")
        assert not any(face.missing for face in listed.faces)
        result = listed.score(at_angles(listed, angles), 50)
        assert {key: result.figures[key] for key in expected.figures} == expected.figures
        assert result.counts == expected.counts
