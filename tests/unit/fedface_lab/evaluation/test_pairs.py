"""`fedface evaluate --protocol pairs`: who is compared, and what is printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from support.command_line import Invoke


def test_evaluate_scores_the_plans_test_identities(fedface: Invoke, plan: str) -> None:
    code, out, _ = fedface("evaluate", plan, "--json")
    assert code == 0
    scores = json.loads(out)
    assert 0 <= scores["auc"] <= 1
    assert scores["tar@1e-1"] is not None
    code, out, _ = fedface("evaluate", plan)
    assert code == 0
    assert "5 identities of synthetic: 30 genuine and 160 impostor pairs" in out
    assert f"{scores['auc']:.4f}" in out


def test_evaluate_without_a_plan_takes_all_people(fedface: Invoke, tmp_path: Path) -> None:
    for person in ("ann", "bob", "eve"):
        (tmp_path / "faces" / person).mkdir(parents=True)
        for number in range(2):
            Image.new("RGB", (30, 30), (len(person) * 9, 60 * number, 90)).save(
                tmp_path / "faces" / person / f"{number}.png"
            )
    options = ("--architecture", "mobilefacenet", "--dataset", "folder", "--folder", str(tmp_path / "faces"))
    code, out, err = fedface("evaluate", *options)
    assert code == 0, err
    assert "3 genuine and 12 impostor pairs" in out


def test_damaged_images_are_left_out_and_counted(fedface: Invoke, tmp_path: Path) -> None:
    for person in ("ann", "bob"):
        (tmp_path / "faces" / person).mkdir(parents=True)
        for number in range(3):
            Image.new("L", (30, 30), 90 * number).save(tmp_path / "faces" / person / f"{number}.png")
    (tmp_path / "faces" / "bob" / "1.png").write_bytes(b"not an image")
    options = ("--architecture", "mobilefacenet", "--dataset", "folder", "--folder", str(tmp_path / "faces"))
    assert "bob/1.png is not a" in " ".join(fedface("evaluate", *options)[2].split())
    (tmp_path / "damaged.csv").write_text("bob/1.png,cut off\n")
    code, out, err = fedface("evaluate", *options, "--skip-damaged", str(tmp_path / "damaged.csv"))
    assert code == 0, err
    assert "4 genuine and 6 impostor pairs" in out
    assert f"damaged images left out, as {tmp_path / 'damaged.csv'} lists them: 1" in out


def test_pairs_have_intervals_over_people(fedface: Invoke, plan: str) -> None:
    code, out, _ = fedface("evaluate", plan, "--json")
    assert code == 0
    found = json.loads(out)
    low, high = found["intervals"]["tar@1e-1"]
    assert low <= found["tar@1e-1"] <= high
    assert "95 % over people: TAR@1e-1" in fedface("evaluate", plan)[1]
    assert json.loads(fedface("evaluate", plan, "--json", "--bootstrap", "0")[1])["intervals"] == {}


def test_more_pairs_than_a_bootstrap_holds(fedface: Invoke, plan: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedface_learning.evaluation.all_pairs.MOST_PAIRS", 100)
    code, out, _ = fedface("evaluate", plan)
    assert code == 0
    assert "no intervals: a bootstrap holds all pairs in memory" in out
