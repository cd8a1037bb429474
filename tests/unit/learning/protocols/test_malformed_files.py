"""What each malformed file is told: the file, the line, and what was expected there."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.evaluation import ProtocolName, open_protocol
from support.protocol_trees import HEADER, ijb_a_tree, ijb_bc_tree, lfw_pairs, lfw_tree

LFW = lfw_pairs(2, 2, "2\t2").splitlines()
VIEW_1 = lfw_pairs(1, 2, "2").splitlines()
GALLERY = "IJB-A_1N_sets/split3/search_gallery_3.csv"
PROBE = "IJB-A_1N_sets/split3/search_probe_3.csv"
METADATA = "IJB-A_11_sets/split10/verify_metadata_10.csv"
COMPARISONS = "IJB-A_11_sets/split10/verify_comparisons_10.csv"
MEDIA, LABELS, S2, MIXED = (
    "ijbb_face_tid_mid.txt",
    "ijbb_template_pair_label.txt",
    "ijbb_1N_gallery_S2.csv",
    "ijbb_1N_probe_mixed.csv",
)
ROW = "100,0,img/0_0.png,0,0,,20,10,24,24,1"
COLUMNS = "TEMPLATE_ID, SUBJECT_ID, MEDIA_ID, FILE, SIGHTING_ID, FACE_X, FACE_Y, FACE_WIDTH, FACE_HEIGHT"
MATCHED = "a matched pair (name, number, number)"
MISMATCHED = "a mismatched pair (name, number, other name, number)"


def replaced(lines: list[str], number: int, line: str) -> str:
    return "\n".join([*lines[: number - 1], line, *lines[number:]])


def refused(name: ProtocolName, files: Path, images: Path | None, path: Path | None = None) -> str:
    """The message, with the path of the file that it is about as FILE."""
    with pytest.raises(InvalidInputError) as error:
        open_protocol(name, files, images)
    return str(error.value).replace(str(path or files), "FILE")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "FILE is empty; it should hold a header line and the pairs of LFW"),
        (
            "ten folds of 300\n",
            "FILE, line 1: expected the number of folds and the pairs of each kind in a fold, such as '10\\t300', "
            "not 'ten folds of 300'",
        ),
        ("ten\t300\n", "FILE, line 1: expected the number of folds, a whole number, not 'ten'"),
        ("10\t-3\n", "FILE, line 1: expected the pairs of each kind in a fold, a whole number, not '-3'"),
        ("1\t300\n", "FILE, line 1: expected at least two folds, not '1'"),
        ("10\t0\n", "FILE, line 1: expected at least one pair of each kind, not '10\\t0'"),
        ("\n".join(LFW[:6]), "FILE ends after 5 pairs, but its header promises 8: 2 × (2 matched + 2 mismatched)"),
        ("\n".join([*LFW, LFW[-1]]), "FILE, line 10: expected the end of the file after 8 pairs, not 'P02\\t2\\tP03\\t2'"),
        (replaced(LFW, 3, "P01\t1"), f"FILE, line 3: expected {MATCHED}, not 'P01\\t1'"),
        (replaced(LFW, 4, LFW[1]), f"FILE, line 4: expected {MISMATCHED}, not 'P00\\t1\\t2'"),
        (replaced(LFW, 6, "P01\t1\tP02\t2"), f"FILE, line 6: expected {MATCHED}, not 'P01\\t1\\tP02\\t2'"),
        (
            replaced(LFW, 2, f"P01\t{'9' * 5000}\t2"),
            "FILE, line 2: expected the number of an image, a whole number of at most 18 digits, "
            f"not '{'9' * 200}' and so on",
        ),
        (replaced(LFW, 2, "P01\tone\t2"), "FILE, line 2: expected the number of an image, a whole number, not 'one'"),
        (
            replaced(LFW, 5, "P01\t1\tP01\t2"),
            "FILE, line 5: expected two people, for this is a mismatched pair, not 'P01\\t1\\tP01\\t2'",
        ),
        (
            replaced(LFW, 2, "../P01\t1\t2"),
            "FILE, line 2: expected a person's name, which is the name of a folder, not '../P01'",
        ),
    ],
)
def test_lfw_pairs(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "pairs.txt").write_text(text)
    assert refused("lfw", tmp_path / "pairs.txt", tmp_path) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "\n".join(["2\t2", *VIEW_1[1:]]),
            "FILE, line 1: expected the number of pairs of each kind, such as '1100', not '2\\t2'",
        ),
        ("\n".join(VIEW_1[:3]), "FILE ends after 2 pairs, but its header promises 4: 1 × (2 matched + 2 mismatched)"),
    ],
)
def test_lfw_view_1(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "pairsDevTrain.txt").write_text("\n".join(VIEW_1))
    (tmp_path / "pairsDevTest.txt").write_text(text)
    assert refused("lfw-view-1", tmp_path, tmp_path, tmp_path / "pairsDevTest.txt") == message


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    holds = "it should hold a header line and the pairs of LFW"
    assert refused("lfw", tmp_path / "none.txt", tmp_path) == f"cannot read FILE: No such file or directory; {holds}"
    (tmp_path / "pairs.txt").write_bytes(b"\xff\xd8\xff")
    assert refused("lfw", tmp_path / "pairs.txt", tmp_path) == f"FILE is not text; {holds}"
    set_of = "it should be a .bin set of InsightFace"
    assert refused("insightface-bin", tmp_path / "lfw.bin", None) == f"cannot read FILE: No such file or directory; {set_of}"


def test_images_that_are_not_given(tmp_path: Path) -> None:
    assert refused("lfw", tmp_path, None) == "protocol 'lfw' needs the folder of its images"
    assert refused("ijb-a", tmp_path, tmp_path / "none", tmp_path / "none") == "there is no folder of images FILE"
    said = "a .bin set holds its images: leave out the folder of images"
    assert refused("insightface-bin", tmp_path / "lfw.bin", tmp_path) == said


IMAGES = [b"image"] * 20
ANSWERS = [True] * 10
HOLDS = "a .bin set holds (list of encoded images, list of 'is same')"


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return shutil.rmtree, ("/nonexistent",)


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ([IMAGES], f"FILE holds a list of 1; {HOLDS}"),
        (None, f"FILE holds None; {HOLDS}"),
        ((IMAGES, 10), f"FILE holds a list of 20 and a value of type int; {HOLDS}"),
        (
            (IMAGES[:19], ANSWERS),
            "FILE holds 19 images and 10 answers; each answer is about two images, so 20 were expected",
        ),
        ((IMAGES[:18], ANSWERS[:9]), "FILE holds 9 pairs; ten folds need at least 10"),
        (([*IMAGES[:19], "text"], ANSWERS), "FILE: image 19 is a value of type str; expected the bytes of an image file"),
        (
            ([np.zeros(3, np.float32), *IMAGES[:19]], ANSWERS),
            "FILE: image 0 is a NumPy array of f4; expected the bytes of an image file",
        ),
        ((IMAGES, [*ANSWERS[:9], 2]), "FILE: answer 9 is a value of type int; expected True or False"),
        ((IMAGES, [*ANSWERS[:9], None]), "FILE: answer 9 is None; expected True or False"),
        (
            (IMAGES, [*ANSWERS[:9], Evil()]),
            "FILE: the file asks for shutil.rmtree, which a .bin set has no use for; nothing was run",
        ),
        ({"images": IMAGES}, "FILE: a .bin set has no use for the pickle instruction EMPTY_DICT; it is not read"),
        ((IMAGES, 1.5), "FILE: a .bin set has no use for the pickle instruction BINFLOAT; it is not read"),
        (
            (IMAGES, np.dtype("u1").newbyteorder),
            "FILE: the file asks for builtins.getattr, which a .bin set has no use for; nothing was run",
        ),
    ],
)
def test_packed_sets(tmp_path: Path, held: object, message: str) -> None:
    (tmp_path / "lfw.bin").write_bytes(pickle.dumps(held, protocol=4))
    assert refused("insightface-bin", tmp_path / "lfw.bin", None) == message


@pytest.mark.parametrize(
    "spoil",
    [
        lambda whole: b"",
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:-1],
        lambda whole: b"\xff\xd8\xff\xe0" + whole,
        lambda whole: b"c_codecs\nencode\n(tR.",
        lambda whole: b"].",
        lambda whole: b"t.",
        lambda whole: b"h\x05.",
        lambda whole: b"Ia\n.",
        lambda whole: b"]]b.",
    ],
)
def test_packed_sets_that_are_none(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    (tmp_path / "lfw.bin").write_bytes(spoil(pickle.dumps((IMAGES, ANSWERS), protocol=2)))
    message = refused("insightface-bin", tmp_path / "lfw.bin", None)
    assert message in (
        "FILE is not a whole .bin set: it is cut short, or was never a pickle",
        f"FILE holds a list of 0; {HOLDS}",
    )


def test_a_call_with_other_arguments_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lfw.bin").write_bytes(b"c_codecs\nencode\n(Vabc\nVrot13\ntR.")
    said = "FILE: _codecs.encode is called in a way that a .bin set has no use for; nothing was run"
    assert refused("insightface-bin", tmp_path / "lfw.bin", None) == said


@pytest.fixture(scope="module")
def ijb_a(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ijb-a")
    ijb_a_tree(root)
    return root


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        (GALLERY, "", f"FILE is empty; it should hold a header with {COLUMNS}, then a row a face"),
        (GALLERY, HEADER, "FILE has a header but no rows"),
        (
            GALLERY,
            f"{HEADER.replace('MEDIA_ID', 'MEDIUM')}\n{ROW}",
            f"FILE, line 1: expected a header with {COLUMNS} (missing: MEDIA_ID), not "
            f"'{HEADER.replace('MEDIA_ID', 'MEDIUM')}'",
        ),
        (GALLERY, f"{HEADER}\n{ROW}\n100,0,x", "FILE, line 3: expected 11 fields, as the header has, not '100,0,x'"),
        (GALLERY, f"{HEADER}\n{ROW}\n\n{ROW}", "FILE, line 3: expected 11 fields, as the header has, not ''"),
        (GALLERY, f"{HEADER}\nT{ROW}", "FILE, line 2: expected TEMPLATE_ID, a whole number, not 'T100'"),
        (GALLERY, f"{HEADER}\n{ROW.replace('20', '')}", "FILE, line 2: expected FACE_X, a number of pixels, not ''"),
        (GALLERY, f"{HEADER}\n{ROW.replace('20', 'nan')}", "FILE, line 2: expected FACE_X, a number of pixels, not 'nan'"),
        (
            GALLERY,
            f"{HEADER}\n{ROW.replace('24', '0')}",
            "FILE, line 2: expected a face at least one pixel wide and high, not '0×0'",
        ),
        (
            PROBE,
            f"{HEADER}\n{ROW.replace('100', '200')}\n{ROW.replace('100,0', '200,5')}",
            "FILE, line 3: template 200 is of subject 5, but of another subject before",
        ),
        (PROBE, f"{HEADER}\n{ROW}", "FILE: 1 template is in the gallery and among the probes: 100"),
        (
            COMPARISONS,
            "100,200,1",
            "FILE, line 1: expected two template numbers with a comma between them, not '100,200,1'",
        ),
        (COMPARISONS, "100,200\n100,x", "FILE, line 2: expected a template number, a whole number, not 'x'"),
        (COMPARISONS, "100,200\n100,999", f"FILE, line 2: there is no template 999 in ROOT/{METADATA}"),
    ],
)
def test_ijb_a(ijb_a: Path, tmp_path: Path, file: str, text: str, message: str) -> None:
    shutil.copytree(ijb_a / "protocol", tmp_path / "protocol")
    path = tmp_path / "protocol" / file
    path.write_text(text)
    said = refused("ijb-a", tmp_path / "protocol", ijb_a / "images", path)
    assert said.replace(str(tmp_path / "protocol"), "ROOT") == message


def test_ijb_a_without_a_split_or_without_anything(ijb_a: Path, tmp_path: Path) -> None:
    message = "FILE has neither IJB-A_11_sets nor IJB-A_1N_sets: is it IJB-A's protocol?"
    assert refused("ijb-a", tmp_path, ijb_a / "images") == message
    shutil.copytree(ijb_a / "protocol", tmp_path / "protocol")
    shutil.rmtree(tmp_path / "protocol" / "IJB-A_1N_sets" / "split3")
    said = refused("ijb-a", tmp_path / "protocol", ijb_a / "images", tmp_path / "protocol" / GALLERY)
    holds = f"it should hold a header with {COLUMNS}, then a row a face"
    assert said == f"cannot read FILE: No such file or directory; {holds}"


@pytest.fixture(scope="module")
def ijb_b(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ijb-b")
    ijb_bc_tree(root)
    return root


FACE, PAIR = "an image name, a template number and a medium number", "two template numbers and 1 (same person) or 0"


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
        (LABELS, "0 10 1\n\n0 99 0\n", f"FILE, line 3: there is no template 99 in ROOT/{MEDIA}"),
        (LABELS, "", f"FILE is empty; it should hold {PAIR} a line"),
        (LABELS, "0 10 1\n0 10\n", f"FILE, line 2: expected {PAIR}, not '0 10'"),
        (LABELS, "0 10 1\n0 ten 1\n", "FILE, line 2: expected a template number, a whole number, not 'ten'"),
        (LABELS, "0 10 1\n0 11 -1\n", "FILE, line 2: expected a label, a whole number, not '-1'"),
        (LABELS, "0 10 1\n0 11 2\n", f"FILE, line 2: expected {PAIR}, not '0 11 2'"),
        (LABELS, "0 10 1\n0 99 0\n", f"FILE, line 2: there is no template 99 in ROOT/{MEDIA}"),
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
        (S2, "TEMPLATE_ID,SUBJECT_ID\n99,1\n", f"FILE, line 2: there is no template 99 in ROOT/{MEDIA}"),
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


def test_a_tree_of_lfw_is_read(tmp_path: Path) -> None:
    """The files that the malformed ones are made from are themselves accepted."""
    lfw_tree(tmp_path)
    (tmp_path / "pairs.txt").write_text("\n".join(LFW))
    opened = open_protocol("lfw", tmp_path / "pairs.txt", tmp_path / "images")
    assert [str(face).removeprefix(f"{tmp_path}/") for face in opened.faces[:2]] == [
        "images/P00/P00_0001.png",
        "images/P00/P00_0002.png",
    ]


@pytest.mark.parametrize("file", [MEDIA, LABELS, S2, MIXED])
def test_a_byte_order_mark_and_windows_line_ends_change_nothing(ijb_b: Path, tmp_path: Path, file: str) -> None:
    shutil.copytree(ijb_b / "meta", tmp_path / "meta")
    text = (tmp_path / "meta" / file).read_text()
    (tmp_path / "meta" / file).write_text(text.replace("\n", "\r\n"), encoding="utf-8-sig", newline="")
    as_published = open_protocol("ijb-b", ijb_b / "meta", ijb_b / "images")
    assert repr(open_protocol("ijb-b", tmp_path / "meta", ijb_b / "images")) == repr(as_published)


def test_a_name_longer_than_any_files_is_a_missing_image(tmp_path: Path) -> None:
    lfw_tree(tmp_path)
    (tmp_path / "pairs.txt").write_text("\n".join(LFW).replace("P00", "P" * 300))
    opened = open_protocol("lfw", tmp_path / "pairs.txt", tmp_path / "images")
    assert opened.faces[0].missing
