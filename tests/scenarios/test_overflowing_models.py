"""Finite weights whose features overflow: everything that embeds says so, and no figure comes of them."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import get_args

import pytest
import torch

from fedface_core.contracts import object_keys
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import ModelPlan, Plan
from fedface_core.domain.run import RunPhase
from fedface_learning.evaluation import ProtocolName
from fedface_learning.evaluation.verification import evaluate
from fedface_learning.formats.codec import sha256_hex
from fedface_learning.models import EmbeddingNetwork, initial_network
from fedface_learning.models.weights import encode_network
from fedface_learning.simulation.simulate import simulate
from support.command_line import Invoke
from support.in_process import InProcess
from support.protocol_trees import ijb_a_tree, ijb_bc_tree, lfw_pairs, lfw_tree, packed_set
from support.small_plan_file import SMALL_PLAN
from support.tiny_run import tiny_plan

SHAPE = {
    "architecture": "spherenet-4",
    "height": 24,
    "width": 20,
    "channels": 1,
    "embedding_size": 8,
    "widths": [4, 4, 8, 8],
}
"""The model of `SMALL_PLAN`."""
OVERFLOW = "are not finite, or too large for float32"


def overflowing(network: EmbeddingNetwork) -> EmbeddingNetwork:
    """The network with finite weights that are far too large."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1e15)
    assert all(parameter.isfinite().all() for parameter in network.parameters())
    return network


def options_of(protocol: str, root: Path) -> list[str]:
    """Write the files of a protocol below ``root``, and return the options that name them."""
    root.mkdir()
    match protocol:
        case "pairs":
            return []
        case "lfw":
            lfw_tree(root)
            (root / "files").write_text(lfw_pairs(2, 2, "2\t2"))
        case "lfw-view-1":
            lfw_tree(root)
            (root / "files").mkdir()
            for part in ("Train", "Test"):
                (root / "files" / f"pairsDev{part}.txt").write_text(lfw_pairs(1, 2, "2"))
        case "insightface-bin":
            packed_set(root / "files")
            return ["--files", str(root / "files")]
        case "pair-list":
            lfw_tree(root)
            pairs = [f"P00/P00_0001 P{pair % 2:02}/P{pair % 2:02}_0002 {1 - pair % 2}" for pair in range(20)]
            (root / "files").write_text("\n".join(pairs))
        case "ijb-a":
            ijb_a_tree(root)
            (root / "protocol").rename(root / "files")
        case _:
            prefix, galleries = ("ijbb", ("S1", "S2")) if protocol == "ijb-b" else ("ijbc", ("G1", "G2"))
            ijb_bc_tree(root, prefix, galleries)
            (root / "meta").rename(root / "files")
    return ["--files", str(root / "files"), "--images", str(root / "images")]


@pytest.mark.parametrize("protocol", ["pairs", *get_args(ProtocolName)])
def test_no_protocol_gives_a_figure(fedface: Invoke, tmp_path: Path, protocol: str) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(SMALL_PLAN)
    network = overflowing(initial_network(ModelPlan.model_validate(SHAPE), 0))
    (tmp_path / "model").write_bytes(encode_network(network))
    options = options_of(protocol, tmp_path / "files of it")
    command = ("evaluate", str(plan), "--model", str(tmp_path / "model"), "--protocol", protocol, *options, "--json")
    code, out, err = fedface(*command)
    assert (code, out) == (2, "")
    assert OVERFLOW in err


def stored_model(services: InProcess, plan: Plan) -> str:
    data = encode_network(overflowing(initial_network(plan.model, 0)))
    services.ports.artifacts.put(object_keys.model(sha256_hex(data)), data)
    return sha256_hex(data)


@pytest.mark.parametrize("centring", [False, True])
def test_a_run_that_starts_from_one_fails_at_enrolment(faces: Path, centring: bool) -> None:
    plan = tiny_plan(faces, model={"centring": centring}, cohort={"retries": 0})
    services = InProcess(plan)
    weights = stored_model(services, plan)
    services.plan = plan.model_copy(update={"model": plan.model.model_copy(update={"weights": weights})})
    run_id = services.start()
    run = services.to_end(run_id)
    assert run.phase is RunPhase.FAILED
    failures = services.ports.ledger.failed(run_id, 0)
    assert failures.keys() == {client_id(number) for number in range(4)}
    assert all(OVERFLOW in reason for reason in failures.values())
    assert not services.ports.artifacts.keys(object_keys.report(run_id, 0))


def test_an_evaluated_round_has_no_scores_but_a_reason(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model version that overflows on the test identities only."""
    monkeypatch.setattr("fedface_evaluator.evaluate.evaluate", lambda network, *rest: evaluate(overflowing(network), *rest))
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    run = services.to_end(run_id)
    assert run.phase is RunPhase.FAILED
    assert run.failure is not None
    assert run.failure.startswith(
        "round 0: the test identities cannot be scored: the network's features of 2 of 2 images are"
    )
    assert not services.ports.artifacts.keys(object_keys.report(run_id, 0))


@pytest.mark.parametrize("centring", [False, True])
def test_a_simulation_of_one_ends(faces: Path, centring: bool) -> None:
    plan = tiny_plan(faces, model={"centring": centring})
    with pytest.raises(InvalidInputError, match=OVERFLOW):
        simulate(plan, initial=overflowing(initial_network(plan.model, 0)))


def test_a_client_whose_training_diverges_fails_with_its_loss(faces: Path) -> None:
    """Its update would have a loss that no JSON holds, which was an unexpected error in each of its attempts."""
    plan = tiny_plan(
        faces,
        data={"images_per_client": 1},
        local_training={"learning_rate": 1e9, "steps": 6},
        cohort={"retries": 0, "max_update_norm": 6e7},
    )
    services = InProcess(plan)
    run_id = services.start()
    run = services.to_end(run_id)
    reasons = services.ports.ledger.failed(run_id, 1)
    assert client_id(0) in reasons
    for client, reason in reasons.items():
        assert reason.startswith(f"the local training of {client} diverged in round 1: its loss is ")
    accepted = services.ports.ledger.accepted(run_id, 1)
    assert all(isfinite(update.loss_after or 0) for update in accepted.values())
    assert simulate(plan).model_sha256 == run.model_sha256
