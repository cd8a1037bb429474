"""Models are downloaded whole, and uploaded under their SHA-256."""

from __future__ import annotations

from pathlib import Path

from support.api_by_hand import MODEL, MODEL_SHA256, ByHand
from support.command_line import Invoke


def test_download_writes_the_model_and_its_hash(fedface: Invoke, api: ByHand, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "model.safetensors"
    code, out, _ = fedface("model", "download", api.completed(), "--output", str(target))
    assert code == 0
    assert out.strip() == f"{MODEL_SHA256}  {target}"
    assert target.read_bytes() == MODEL
    assert [path.name for path in target.parent.iterdir()] == ["model.safetensors"]


def test_download_before_there_is_a_model(fedface: Invoke, api: ByHand) -> None:
    code, _, err = fedface("model", "download", api.created())
    assert code == 1
    assert "no model version yet" in err


def test_upload_prints_the_hash_to_name_in_a_plan(fedface: Invoke, api: ByHand, tmp_path: Path) -> None:
    source = tmp_path / "weights.safetensors"
    source.write_bytes(MODEL)
    assert fedface("model", "upload", str(source))[:2] == (0, f"{MODEL_SHA256}\n")
    code, _, err = fedface("model", "upload", str(tmp_path / "none"))
    assert code == 2
    assert "none: No such file" in err
