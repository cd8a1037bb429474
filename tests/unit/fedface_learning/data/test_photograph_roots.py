"""A plan names files below the roots only, and the answer does not say what else there is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from fedface_core.domain.data_error import DataError, DataReason
from fedface_core.domain.plan import DataPlan
from fedface_learning.data import ANYWHERE, NOWHERE, ImageSize, PhotographRoots, open_dataset
from support.recordio import grey_png, with_identities, write_records
from support.tiny_run import write_faces

SIZE = ImageSize(8, 8, 1)
MISSING = DataReason.FOLDER_NOT_THERE


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_faces(tmp_path / "root" / "faces", identities=3).parent


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    return write_faces(tmp_path / "outside", identities=3)


def write_packed(folder: Path) -> None:
    """Two people with two photographs each, as train.rec and train.idx."""
    write_records(folder, with_identities([[grey_png(1), grey_png(2)], [grey_png(3), grey_png(4)]]))


def opened(folder: Path | str, *roots: Path, **fields: str) -> tuple[str, ...]:
    data = DataPlan.model_validate({"dataset": "folder", "folder": str(folder)} | fields)
    return open_dataset(data, SIZE, 0, PhotographRoots.of(roots)).identities


def public_reason(folder: Path | str, *roots: Path, **fields: str) -> str:
    with pytest.raises(DataError) as refused:
        opened(folder, *roots, **fields)
    return refused.value.public


def test_each_of_several_roots_and_what_is_below_is_read(root: Path, outside: Path) -> None:
    people = ("person-0", "person-1", "person-2")
    assert opened(root / "faces", root, outside) == opened(outside, root, outside) == people
    assert opened(root / "faces" / ".." / "faces", root) == people


def test_what_is_outside_and_what_is_missing_have_one_answer(
    root: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = public_reason(root / "nobody", root)
    assert "there is no folder of photographs of this name below" in missing
    (root / "way-out").symlink_to(outside)
    (root / "way-to-nothing").symlink_to(outside / "nothing")
    beside = root.with_name("root-of-others")
    write_faces(beside, identities=3)
    names: list[Path | str] = [outside, "/etc", "/", "/nothing/at/all", root / ".." / "outside", root / "way-out"]
    names += [root / "way-to-nothing", beside, "~", "~nobody-of-this-name/x", ".", "faces", "a\0b", str(root / "faces\0")]
    monkeypatch.chdir(outside)
    assert {str(name): public_reason(name, root) for name in names} == {str(name): missing for name in names}


def test_outside_paths_are_not_even_looked_at(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An automounter would mount them, and the time that it takes would tell."""
    looked_at: list[str] = []
    real = os.lstat

    def noted(path: str, **options: int) -> os.stat_result:
        looked_at.append(str(path))
        return real(path, **options)

    monkeypatch.setattr(os, "lstat", noted)
    public_reason("/net/host/share", root)
    assert not [path for path in looked_at if path.startswith("/net")]


def test_without_a_root_no_file_is_read(root: Path) -> None:
    assert public_reason(root / "faces") == public_reason(root / "nobody", root)
    with pytest.raises(DataError, match="FEDFACE_PHOTOGRAPH_ROOTS, which names no folder"):
        NOWHERE.located(str(root), MISSING)


def test_a_command_on_ones_own_machine_reads_anything(outside: Path) -> None:
    assert ANYWHERE.located(str(outside), MISSING) == outside
    with ANYWHERE.open(outside / "person-0" / "0.png") as file:
        assert file.read(4) == b"\x89PNG"


@pytest.mark.parametrize("named", ["folder", "photograph", "nothing"])
def test_a_link_that_leads_out_is_refused_wherever_it_leads(root: Path, outside: Path, named: str) -> None:
    target = {"folder": outside / "person-0", "photograph": outside / "person-0" / "0.png", "nothing": outside / "x"}[named]
    (root / "faces" / "person-0" / "9.png").symlink_to(target)
    assert public_reason(root / "faces", root).endswith("(code link-leads-out)")


def test_a_link_within_the_roots_is_followed(root: Path, outside: Path) -> None:
    (root / "faces" / "friend").symlink_to(outside / "person-1")
    (root / "faces" / "circle").symlink_to("circle")
    assert opened(root / "faces", root, outside) == ("friend", "person-0", "person-1", "person-2")


def test_a_root_may_be_a_link_itself(root: Path) -> None:
    link = root.with_name("photographs")
    link.symlink_to(root)
    for named in (link / "faces", root / "faces"):
        assert len(opened(named, link)) == 3


def test_a_file_that_is_exchanged_for_a_link_after_the_tree_was_listed_is_not_read(root: Path, outside: Path) -> None:
    data = DataPlan(dataset="folder", folder=str(root / "faces"))
    dataset = open_dataset(data, SIZE, 0, PhotographRoots.of([root]))
    photograph = root / "faces" / "person-0" / "1.png"
    photograph.unlink()
    photograph.symlink_to(outside / "person-0" / "1.png")
    with pytest.raises(DataError, match="which is not below") as refused:
        dataset.images("person-0")
    assert refused.value.reason is DataReason.LINK_LEADS_OUT


@pytest.mark.parametrize("field", ["labels", "skip_damaged"])
def test_lists_are_below_the_roots_too(root: Path, outside: Path, field: str) -> None:
    listed = outside / "list.csv"
    listed.write_text("faces/person-0/0.png,Ann\n")
    reasons = {public_reason(root / "faces", root, **{field: str(path)}) for path in (listed, outside / "x", root / "x")}
    assert len(reasons) == 1
    assert "of this name below" in reasons.pop()


def test_packed_sets_are_below_the_roots_too(tmp_path: Path, root: Path) -> None:
    packed = tmp_path / "packed"
    write_packed(packed)
    data = DataPlan(dataset="recordio", folder=str(packed))
    assert open_dataset(data, SIZE, 0, PhotographRoots.of([packed])).identities
    link = root / "packed"
    link.mkdir()
    for name in ("train.rec", "train.idx"):
        (link / name).symlink_to(packed / name)
    for folder in (packed, link):
        with pytest.raises(DataError) as refused:
            open_dataset(data.model_copy(update={"folder": str(folder)}), SIZE, 0, PhotographRoots.of([root]))
        assert str(packed) not in refused.value.public


@pytest.mark.parametrize("name", ["2.png", "list.csv", "train.rec", "train.idx"])
def test_no_pipe_keeps_a_data_set_waiting(root: Path, name: str) -> None:
    folder = root / "faces"
    roots = PhotographRoots.of([root])
    pipe = (folder / "person-0" if name == "2.png" else folder) / name
    if name == "train.idx":
        write_packed(folder)
        pipe.unlink()
    os.mkfifo(pipe)
    if name == "2.png":
        dataset = open_dataset(DataPlan(dataset="folder", folder=str(folder)), SIZE, 0, roots)
        assert dataset.images("person-0").shape[0] == 2, "the pipe is passed over"
        return
    fields = {"labels": str(pipe)} if name == "list.csv" else {}
    kind = "folder" if name == "list.csv" else "recordio"
    data = DataPlan.model_validate({"dataset": kind, "folder": str(folder)} | fields)
    if name == "train.idx":
        assert open_dataset(data, SIZE, 0, roots).identities, "the records are found by a scan"
        return
    with pytest.raises(DataError):
        open_dataset(data, SIZE, 0, roots)


def test_a_pipe_in_the_place_of_a_listed_photograph_is_an_unusable_photograph(root: Path) -> None:
    dataset = open_dataset(DataPlan(dataset="folder", folder=str(root / "faces")), SIZE, 0, PhotographRoots.of([root]))
    photograph = root / "faces" / "person-0" / "1.png"
    photograph.unlink()
    os.mkfifo(photograph)
    with pytest.raises(DataError, match=r"1\.png cannot be read: It is a named pipe") as refused:
        dataset.images("person-0")
    assert refused.value.reason is DataReason.PHOTOGRAPH_UNUSABLE


def test_a_file_that_no_photograph_needs_is_not_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some decoders read the whole file into memory first; a file with holes may be larger than any memory."""
    photograph = root / "faces" / "person-0" / "1.png"
    with photograph.open("r+b") as file:
        file.truncate(1 << 40)
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("it is read"))
    dataset = open_dataset(DataPlan(dataset="folder", folder=str(root / "faces")), SIZE, 0, PhotographRoots.of([root]))
    monkeypatch.undo()
    monkeypatch.setattr("fedface_learning.data.photographs.open_photograph", lambda *_: Image.new("L", (8, 8)))
    with pytest.raises(DataError, match=r"1\.png has 1,099,511,627,776 bytes; 268,435,456 are allowed"):
        dataset.images("person-0")
