"""Whatever is in the way of an output, a command says in one line which file and why, and leaves what was there."""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fedface_learning.data.alignment import TEMPLATES
from support.api_by_hand import ByHand
from support.command_line import Invoke
from support.full_disk import full_disk
from support.small_plan_file import plan
from support.tiny_study import write_study

__all__ = ["plan"]

POINTS = ",".join(f"{number}" for point in TEMPLATES["112x96"].points for number in point)
# Commands that write a file: OUT is its path. Each works a second at most.
FILE_WRITERS = {
    "model download": "model download RUN -o OUT",
    "preview": "data preview --identities 1 --images 1 --height 16 --width 16 -o OUT",
    "pretrain": "pretrain PLAN --epochs 1 --batch-size 8 -o OUT",
}
# Commands that write a file after minutes of work, and have to notice before what is in the way.
SLOW_WRITERS = {
    "bench training": "bench training --growth OUT.png",
    "bench aggregate": "bench aggregate --plot OUT.png",
    "bench control": "bench control --growth 2,3 --plot OUT.png",
    "bench peers": "bench peers --markdown OUT",
}
FOLDER_WRITERS = {
    "up": "up --workdir OUT",
    "demo": "demo --workdir OUT",
    "data prepare": "data prepare RAW OUT --landmarks POINTS",
    "study run": "study run STUDY -o OUT",
}


@pytest.fixture
def arguments(api: ByHand, plan: str, tmp_path: Path) -> dict[str, str]:
    """What stands for the words in capitals, except OUT."""
    raw = tmp_path / "raw"
    raw.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (112, 96), np.uint8)).save(raw / "1.png")
    (tmp_path / "points.csv").write_text(f"1.png,{POINTS}\n")
    (tmp_path / "study").mkdir()
    return {
        "RUN": api.completed(),
        "PLAN": plan,
        "RAW": str(raw),
        "POINTS": str(tmp_path / "points.csv"),
        "STUDY": str(write_study(tmp_path / "study")),
    }


def command(line: str, arguments: dict[str, str], output: Path) -> list[str]:
    words = arguments | {"OUT": str(output), "OUT.png": f"{output}.png"}
    return [words.get(word, word) for word in line.split()]


def complaint_of(err: str) -> str:
    """The error, which is the last line; there is one, and no traceback."""
    assert "Traceback" not in err
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert err.splitlines()[-1:] == lines, err
    return lines[0]


@pytest.mark.parametrize("line", [*FILE_WRITERS.values(), *SLOW_WRITERS.values()], ids=[*FILE_WRITERS, *SLOW_WRITERS])
def test_a_folder_or_a_file_in_the_way_of_a_file(
    fedface: Invoke, arguments: dict[str, str], tmp_path: Path, line: str
) -> None:
    for folder in ("folder", "folder.png"):
        (tmp_path / folder).mkdir()
    (tmp_path / "file").write_bytes(b"old")
    for output in (tmp_path / "folder", tmp_path / "file" / "output"):
        code, _, err = fedface(*command(line, arguments, output))
        assert code == 2
        said = complaint_of(err)
        assert str(output) in said or str(tmp_path / "file") in said
    assert (tmp_path / "file").read_bytes() == b"old"


@pytest.mark.parametrize("line", FOLDER_WRITERS.values(), ids=FOLDER_WRITERS)
def test_a_file_in_the_way_of_a_folder(fedface: Invoke, arguments: dict[str, str], tmp_path: Path, line: str) -> None:
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "circle").symlink_to("circle")
    for output in (tmp_path / "file", tmp_path / "file" / "folder", tmp_path / "circle"):
        code, _, err = fedface(*command(line, arguments, output))
        assert code == 2
        assert str(tmp_path / output.relative_to(tmp_path).parts[0]) in complaint_of(err)
    assert (tmp_path / "file").read_bytes() == b"old"


@pytest.mark.parametrize("line", FILE_WRITERS.values(), ids=FILE_WRITERS)
def test_a_full_disk_leaves_the_old_file(fedface: Invoke, arguments: dict[str, str], tmp_path: Path, line: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "output").write_bytes(b"old")
    with full_disk(10):
        code, out, err = fedface(*command(line, arguments, folder / "output"))
    assert code in (1, 2)
    assert out == ""
    assert str(folder) in complaint_of(err)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"output": b"old"}


@pytest.mark.parametrize("line", [FILE_WRITERS["model download"], FILE_WRITERS["preview"]], ids=["download", "preview"])
def test_a_device_is_written_and_stays(fedface: Invoke, arguments: dict[str, str], tmp_path: Path, line: str) -> None:
    for name, status in {"null": 0, "full": 1}.items():
        link = tmp_path / name  # a command that replaced devices would replace the link, and no device of this machine
        link.symlink_to(f"/dev/{name}")
        code, _, err = fedface(*command(line, arguments, link))
        assert code == status, err
        assert stat.S_ISCHR(link.stat().st_mode)
        assert link.is_symlink()
        if status:
            assert complaint_of(err) == f"error: cannot use {link}: No space left on device"


def test_a_preparation_on_a_full_disk_goes_on_later(fedface: Invoke, arguments: dict[str, str], tmp_path: Path) -> None:
    target = tmp_path / "target"
    prepare = command(FOLDER_WRITERS["data prepare"], arguments, target)
    with full_disk(300):
        code, _, err = fedface(*prepare)
    assert code == 2
    assert f"cannot write {target / '1.png'}: " in complaint_of(err)
    assert not (target / "1.png").exists()
    assert fedface(*prepare)[0] == 0
