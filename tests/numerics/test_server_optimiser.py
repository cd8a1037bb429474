"""Server optimisers against torch's optimisers, and against numbers computed by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.aggregation import OptimiserPlan
from fedface_learning.aggregation.server_optimiser import take_server_step
from fedface_learning.data import FaceDataset
from fedface_learning.formats.class_embeddings import decode_class_embeddings
from fedface_learning.formats.codec import decode_tensors
from fedface_learning.models import initial_network
from fedface_learning.seeding import generator
from fedface_learning.simulation.federated_rounds import Federation
from fedface_learning.simulation.simulate import simulate
from fedface_learning.simulation.simulation_data import SimulationData


def plan_of(**fields: Any) -> OptimiserPlan:
    plan: OptimiserPlan = TypeAdapter(OptimiserPlan).validate_python(fields)
    return plan


def parameter_after(plan: OptimiserPlan, start_P: Tensor, changes: list[Tensor]) -> Tensor:
    """The parameter (P,) after rounds in which the clients' average changes are ``changes``."""
    model = {"weight": start_P}
    state = dict[str, Tensor]()
    for change_P in changes:
        model, state = take_server_step({"weight": model["weight"] + change_P}, model, ["weight"], plan, state)
    return model["weight"]


def draws(rounds: int) -> list[Tensor]:
    numbers = generator("changes")
    return [torch.randn(50, generator=numbers) * 0.1 for _ in range(rounds)]


def test_the_average_is_taken_as_it_is() -> None:
    average = {"weight": torch.ones(3), "count": torch.tensor(4)}
    assert take_server_step(
        average, {"weight": torch.zeros(3), "count": torch.tensor(1)}, ["weight"], plan_of(name="average"), {}
    ) == (
        average,
        {},
    )


def test_momentum_is_torchs_sgd_on_the_negative_change() -> None:
    parameter = torch.nn.Parameter(torch.ones(50))
    sgd = torch.optim.SGD([parameter], lr=0.5, momentum=0.9)
    for change_P in draws(6):
        parameter.grad = -change_P
        sgd.step()
    found = parameter_after(plan_of(name="momentum", learning_rate=0.5), torch.ones(50), draws(6))
    torch.testing.assert_close(found, parameter.detach(), rtol=1e-5, atol=1e-6)


def test_adam_differs_from_torchs_by_the_correction_of_the_bias_and_by_where_it_begins() -> None:
    """After many rounds at a small τ neither difference matters: then the steps equal torch's."""
    rounds = 1500
    plan = plan_of(name="adam", learning_rate=0.01, epsilon=1e-8)
    changes = draws(rounds)
    parameter = torch.nn.Parameter(torch.ones(50))
    adam = torch.optim.Adam([parameter], lr=0.01, betas=(0.9, 0.99), eps=1e-8)
    model = {"weight": torch.ones(50)}
    state = dict[str, Tensor]()
    for change_P in changes:
        old = model["weight"]
        torchs_old = parameter.detach().clone()
        model, state = take_server_step({"weight": old + change_P}, model, ["weight"], plan, state)
        parameter.grad = -change_P
        adam.step()
    torch.testing.assert_close(model["weight"] - old, parameter.detach() - torchs_old, rtol=1e-2, atol=1e-5)


# η = 0.1, β₁ = 0.5, β₂ = 0.75, τ = 0.5, Δ = 2, then Δ = 1; v₀ = τ² = 0.25.
# Adam: m = 1, v = 0.75·0.25 + 0.25·4 = 1.1875; then m = 1, v = 0.75·1.1875 + 0.25·1 = 1.140625.
# Yogi: m = 1, v = 0.25 − 0.25·4·sign(0.25 − 4) = 1.25; then m = 1, v = 1.25 − 0.25·1·sign(1.25 − 1) = 1.0.
BY_HAND = {
    "adam": [0.1 / (1.1875**0.5 + 0.5), 0.1 / (1.140625**0.5 + 0.5)],
    "yogi": [0.1 / (1.25**0.5 + 0.5), 0.1 / (1.0 + 0.5)],
}


@pytest.mark.parametrize("name", BY_HAND)
def test_adaptive_steps_are_the_papers(name: str) -> None:
    plan = plan_of(name=name, learning_rate=0.1, beta1=0.5, beta2=0.75, epsilon=0.5)
    for rounds in (1, 2):
        found = parameter_after(plan, torch.zeros(1), [torch.full((1,), 2.0), torch.full((1,), 1.0)][:rounds])
        assert float(found) == pytest.approx(sum(BY_HAND[name][:rounds]), rel=1e-5)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_sgd_is_torchs_on_the_gradient_that_the_change_was_made_of(weight_decay: float) -> None:
    """Weight decay too: it is a part of the gradient, so it goes into the momentum."""
    client_rate = 1e-2
    parameter = torch.nn.Parameter(torch.ones(50))
    torchs = torch.optim.SGD([parameter], lr=0.5, momentum=0.9, weight_decay=weight_decay)
    plan = plan_of(name="sgd", learning_rate=0.5, weight_decay=weight_decay)
    model = {"weight": torch.ones(50)}
    state = dict[str, Tensor]()
    for share, gradient_P in zip((0.2, 0.6, 1.0, 0.7, 0.4, 0.1), draws(6), strict=True):
        parameter.grad = gradient_P
        torchs.param_groups[0]["lr"] = 0.5 * share
        torchs.step()
        average = {"weight": model["weight"] - client_rate * gradient_P}
        model, state = take_server_step(average, model, ["weight"], plan, state, share, client_rate)
    torch.testing.assert_close(model["weight"], parameter.detach(), rtol=1e-4, atol=1e-5)
    assert state.keys() == {"first/weight"}


def test_a_run_of_single_steps_with_sgd_is_torchs_sgd_on_all_images_together(
    tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset
) -> None:
    """Whatever the clients' rate: with the one-cycle schedule, momentum, and weight decay."""
    rounds = 6
    rates = {"local_training": {"steps": 1, "learning_rate": 1e-3, "schedule": "one-cycle"}, "rounds": rounds}
    optimiser = {"name": "sgd", "learning_rate": 0.05, "weight_decay": 0.01}
    plan = tiny_plan(strategy="fedavg", aggregation={"optimiser": optimiser}, cohort={}, **rates)
    data = SimulationData.of(plan, tiny_faces)
    network = initial_network(plan.model, plan.seed)
    enrolled = Federation(plan, network, data).enrol()
    class_embeddings_CD = decode_class_embeddings(enrolled.class_embeddings, plan.model.embedding_size)
    torchs = torch.optim.SGD(network.parameters(), lr=1.0, momentum=0.9, weight_decay=0.01)
    for number in range(1, rounds + 1):
        torchs.param_groups[0]["lr"] = 0.05 * plan.local_training.rate_share(number, rounds)
        torchs.zero_grad()
        cosines = [
            network(images_NCHW) @ class_embedding_D
            for images_NCHW, class_embedding_D in zip(data.images.values(), class_embeddings_CD, strict=True)
        ]
        torch.autograd.backward((0.9 - torch.cat(cosines)).clamp(min=0).square().mean())
        torchs.step()
    found = decode_tensors(simulate(plan, dataset=tiny_faces, evaluate_at=lambda _number: False).model)[0]
    start = initial_network(plan.model, plan.seed)
    for (name, parameter), before in zip(network.named_parameters(), start.parameters(), strict=True):
        assert not torch.equal(parameter, before)
        torch.testing.assert_close(found[name], parameter.detach(), rtol=2e-3, atol=2e-5)


def test_buffers_are_averaged() -> None:
    average = {"weight": torch.ones(2), "running_mean": torch.ones(2), "batches": torch.tensor(7)}
    old = {"weight": torch.zeros(2), "running_mean": torch.zeros(2), "batches": torch.tensor(3)}
    new, state = take_server_step(average, old, ["weight"], plan_of(name="adam"), {})
    assert torch.equal(new["running_mean"], average["running_mean"])
    assert new["batches"] == 7
    assert not torch.equal(new["weight"], average["weight"])
    assert state.keys() == {"first/weight", "second/weight"}
    assert {moment.dtype for moment in state.values()} == {torch.float32}, "as large as the model twice, not four times"


@pytest.mark.parametrize("name", ["momentum", "adam", "yogi", "sgd"])
def test_a_run_keeps_its_moments_from_round_to_round(
    tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset, name: str
) -> None:
    result = simulate(tiny_plan(aggregation={"optimiser": name}, rounds=3), dataset=tiny_faces)
    states = [done.aggregation.server_state_sha256 for done in result.rounds]
    assert states[0] is None
    assert len(set(states)) == 4
    without_past = simulate(
        tiny_plan(
            aggregation={
                "optimiser": {"name": name} | ({"momentum": 0.0} if name in ("momentum", "sgd") else {"beta1": 0.0})
            }
        ),
        dataset=tiny_faces,
    )
    assert without_past.rounds[2].aggregation.model_sha256 != result.rounds[2].aggregation.model_sha256


def test_momentum_without_a_past_is_the_average(tiny_plan: Callable[..., Plan], tiny_faces: FaceDataset) -> None:
    forgetful = {"optimiser": {"name": "momentum", "momentum": 0.0, "learning_rate": 1.0}}
    found = simulate(tiny_plan(aggregation=forgetful), dataset=tiny_faces)
    assert found.rounds[-1].aggregation.update_norm == pytest.approx(
        simulate(tiny_plan(), dataset=tiny_faces).rounds[-1].aggregation.update_norm, rel=1e-4
    )
