"""What a malformed file of IJB-A is told: the file, the line, and what was expected in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support.protocol_trees import HEADER, ijb_a_tree, refused

GALLERY = "IJB-A_1N_sets/split3/search_gallery_3.csv"
PROBE = "IJB-A_1N_sets/split3/search_probe_3.csv"
METADATA = "IJB-A_11_sets/split10/verify_metadata_10.csv"
COMPARISONS = "IJB-A_11_sets/split10/verify_comparisons_10.csv"
ROW = "100,0,img/0_0.png,0,0,,20,10,24,24,1"
COLUMNS = "TEMPLATE_ID, SUBJECT_ID, MEDIA_ID, FILE, SIGHTING_ID, FACE_X, FACE_Y, FACE_WIDTH, FACE_HEIGHT"


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
