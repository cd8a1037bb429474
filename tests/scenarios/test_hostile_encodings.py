"""Encoded updates are hostile until checked: each wrong one is refused with its reason, and the round goes on without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fedface_client.invitation import Invitation
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.run import RunPhase
from fedface_learning.client.update import Update
from fedface_learning.formats.codec import decode_tensors, encode_tensors, sha256_hex
from support.client_updates import change_updates
from support.in_process import InProcess
from support.tiny_run import tiny_plan

VICTIM = "client-000001"
TOP_K = {"name": "top-k", "share": 0.2}


def sabotage(monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, Tensor]], Any]) -> None:
    """Have the victim upload changed tensors, whose SHA-256 it declares correctly."""

    def tamper(invitation: Invitation, honest: Update) -> Update:
        if invitation.client_id != VICTIM or invitation.opened_round.kind is not RoundKind.TRAINING:
            return honest
        tensors, metadata = decode_tensors(honest.data)
        change(tensors)
        data = encode_tensors(tensors, metadata)
        return replace(
            honest, data=data, accepted=honest.accepted.model_copy(update={"sha256": sha256_hex(data), "size": len(data)})
        )

    change_updates(monkeypatch, tamper)


def put(name: str, tensor: Tensor) -> Callable[[dict[str, Tensor]], Any]:
    return lambda tensors: tensors.update({name: tensor})


def turn(name: str, change: Callable[[Tensor], Tensor]) -> Callable[[dict[str, Tensor]], Any]:
    return lambda tensors: tensors.update({name: change(tensors[name])})


def far_in_steps(tensors: dict[str, Tensor]) -> None:
    tensors["change/int8"].fill_(-128)
    tensors["change/scales"].fill_(1e30)


HOSTILE: dict[str, tuple[Any, str, Callable[[dict[str, Tensor]], Any]]] = {
    "nan": ("float16", "not_finite", lambda tensors: tensors["change/float16"].fill_(torch.nan)),
    "far": ("float16", "norm_exceeded", lambda tensors: tensors["change/float16"].fill_(60_000)),
    "a whole model": ("float16", "wrong_tensors", lambda tensors: tensors.pop("change/float16")),
    "wider": (
        "float16",
        "wrong_dtype",
        turn("change/float16", Tensor.float),
    ),
    "longer": ("int8", "wrong_shape", put("change/int8", torch.zeros(4, dtype=torch.int8))),
    "no scale": ("int8", "malformed", lambda tensors: tensors["change/scales"].zero_()),
    "endless scale": ("int8", "not_finite", lambda tensors: tensors["change/scales"].fill_(torch.inf)),
    "far in steps": ("int8", "norm_exceeded", far_in_steps),
    "another encoding": ("int8", "wrong_tensors", put("change/float16", torch.zeros(4, dtype=torch.float16))),
    "a place twice": (TOP_K, "malformed", lambda tensors: tensors["change/indices"].fill_(1)),
    "a place outside": (TOP_K, "malformed", lambda tensors: tensors["change/indices"].add_(10_000)),
    "a place before": (TOP_K, "malformed", lambda tensors: tensors["change/indices"].sub_(10_000)),
    "not sorted": (
        TOP_K,
        "malformed",
        turn("change/indices", lambda indices_K: indices_K.flip(0)),
    ),
    "more of them": (
        TOP_K,
        "wrong_shape",
        lambda tensors: tensors.update(
            {name: torch.cat([each, each]) for name, each in tensors.items() if "change" in name}
        ),
    ),
    "large": (TOP_K, "too_large", put("change/more", torch.zeros(100_000))),
    "no buffer": (TOP_K, "wrong_tensors", lambda tensors: tensors.pop("centre")),
}


@pytest.mark.parametrize(("encoding", "reason", "change"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_update_is_refused_and_the_round_goes_on(
    faces: Path, monkeypatch: pytest.MonkeyPatch, encoding: Any, reason: str, change: Callable[[dict[str, Tensor]], Any]
) -> None:
    sabotage(monkeypatch, change)
    services = InProcess(tiny_plan(faces, update_encoding=encoding))
    run = services.run()
    assert run.phase is RunPhase.COMPLETED
    for number in (1, 2):
        aggregation = services.manifest(run.id, number).round.aggregation
        assert aggregation is not None
        assert (aggregation.refused, aggregation.folded) == ({VICTIM: reason}, 3)
