"""`fedface evaluate` with each kind of network, on stand-ins for LFW, a `.bin` set and IJB-C, end to end."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from fedface_core.domain.plan import ModelPlan
from fedface_learning.models import initial_network
from fedface_learning.models.weights import encode_network
from support.command_line import Invoke
from support.published_stand_ins import STAND_INS

SIDE = 112
SHAPE = {"height": SIDE, "width": SIDE, "channels": 3, "embedding_size": 8}
NETWORKS: dict[str, dict[str, Any]] = {
    "spherenet-4": {"architecture": "spherenet-4", "widths": [2, 2, 2, 4]},
    "mobilefacenet": {"architecture": "mobilefacenet", "widths": [2, 2, 4]},
}
"""A kind of network → the part `model` of a plan, as small as it may be."""


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
    command = ("evaluate", str(tmp_path / "plan.toml"), "--model", str(tmp_path / "model"), *options, "--bootstrap", "20")
    code, out, err = fedface(*command, "--json")
    assert code == 0, err
    found = json.loads(out)
    shares = [figure["value"] for figure in found["figures"].values()]
    assert any(share is not None for share in shares)
    assert all(share is None or 0 <= share <= 1 for share in shares)
    assert all(math.isfinite(number) for number in numbers(found))
    assert found["counts"]["images"] > 0
    assert found["counts"].get("missing images") == 0
