"""Each photograph's aligned image has a path of its own."""

from __future__ import annotations

import pytest

from fedface_lab.data.aligned_paths import aligned_paths, written_format


def test_what_can_be_written_as_it_was_keeps_its_path() -> None:
    photographs = ["a/1.JPG", "a/1.jpeg", "a/1.png", "a/1.pgm", "a/1.jfif", "a/1.ppm"]
    assert aligned_paths(photographs) == {path: path for path in photographs}
    assert [written_format(path) for path in photographs] == ["JPEG", "JPEG", "PNG", "PPM", "JPEG", "PPM"]


@pytest.mark.parametrize("suffix", [".heic", ".webp", ".bmp", ".tif", ".GIF", ".avif", ".mpo", ".pbm"])
def test_others_become_png(suffix: str) -> None:
    assert aligned_paths([f"a/1{suffix}"]) == {f"a/1{suffix}": "a/1.png"}


def test_no_two_share_a_path() -> None:
    photographs = ["a/1.heic", "a/1.jpg", "a/1.png", "a/1.webp", "a/2.bmp", "a/2.tif", "a/3.heic", "a/3.heic.png", "a/3.png"]
    assert aligned_paths(photographs) == {
        "a/1.heic": "a/1.heic.png",
        "a/1.jpg": "a/1.jpg",
        "a/1.png": "a/1.png",
        "a/1.webp": "a/1.webp.png",
        "a/2.bmp": "a/2.png",
        "a/2.tif": "a/2.tif.png",
        "a/3.heic": "a/3.heic.2.png",
        "a/3.heic.png": "a/3.heic.png",
        "a/3.png": "a/3.png",
    }
