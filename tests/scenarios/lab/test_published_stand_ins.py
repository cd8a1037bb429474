"""`fedface evaluate` with each kind of network, on stand-ins for LFW, a `.bin` set and IJB-C, end to end."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from fedface_cli.main import main
from fedface_core.domain.plan import ModelPlan
from fedface_learning.models import initial_network
from fedface_learning.models.weights import encode_network
from support.command_line import Invoke
from support.plain_iresnet import PlainIResNet
from support.process_state import process_state_kept
from support.published_stand_ins import STAND_INS

SIDE = 112
SHAPE = {"height": SIDE, "width": SIDE, "channels": 3, "embedding_size": 8}
NETWORKS: dict[str, dict[str, Any]] = {
    "spherenet-4": {"architecture": "spherenet-4", "widths": [2, 2, 2, 4]},
    "mobilefacenet": {"architecture": "mobilefacenet", "widths": [2, 2, 4]},
    "iresnet-18": {"architecture": "iresnet-18", "widths": [8, 8, 8, 8]},
}
"""A kind of network → the part `model` of a plan, as small as it may be."""
BRIEFLY = ("--bootstrap", "20", "--json")


def numbers(value: Any) -> list[float]:
    """All numbers in a JSON value."""
    if isinstance(value, dict):
        return numbers([*value.values()])
    if isinstance(value, list):
        return [number for each in value for number in numbers(each)]
    return [value] if isinstance(value, int | float) else []


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("protocol", STAND_INS)
def test_a_published_set_is_scored_from_files_to_figures(
    fedface: Invoke, tmp_path: Path, protocol: str, network: str
) -> None:
    shape = SHAPE | NETWORKS[network]
    (tmp_path / "plan.toml").write_text(
        "[model]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in shape.items())
    )
    (tmp_path / "model").write_bytes(encode_network(initial_network(ModelPlan.model_validate(shape), 0)))
    options = STAND_INS[protocol](tmp_path / "set", SIDE)
    code, out, err = fedface("evaluate", str(tmp_path / "plan.toml"), "--model", str(tmp_path / "model"), *options, *BRIEFLY)
    assert code == 0, err
    check_result(json.loads(out))


@pytest.fixture(scope="module")
def imported_iresnet_50(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that `fedface model import` makes of random weights of iresnet-50 at its published size."""
    folder = tmp_path_factory.mktemp("iresnet-50")
    torch.manual_seed(0)
    torch.save(PlainIResNet([64, 128, 256, 512], [3, 4, 14, 3], 112, 512).state_dict(), folder / "backbone.pth")
    with process_state_kept(), pytest.raises(SystemExit) as ended:
        main(["model", "import", str(folder / "backbone.pth"), "--output", str(folder / "model.safetensors")])
    assert ended.value.code == 0
    return folder / "model.safetensors"


@pytest.mark.long
@pytest.mark.parametrize("protocol", STAND_INS)
def test_imported_weights_of_the_published_size_are_scored_too(
    fedface: Invoke, tmp_path: Path, protocol: str, imported_iresnet_50: Path
) -> None:
    """Without ``--architecture``: the model says what it is."""
    options = STAND_INS[protocol](tmp_path / "set", SIDE)
    code, out, err = fedface("evaluate", "--model", str(imported_iresnet_50), *options, *BRIEFLY)
    assert code == 0, err
    check_result(json.loads(out))


def check_result(found: dict[str, Any]) -> None:
    """All faces are there, and the figures are shares."""
    shares = [figure["value"] for figure in found["figures"].values()]
    assert any(share is not None for share in shares)
    assert all(share is None or 0 <= share <= 1 for share in shares)
    assert all(math.isfinite(number) for number in numbers(found))
    assert found["counts"]["images"] > 0
    assert found["counts"].get("missing images") == 0
