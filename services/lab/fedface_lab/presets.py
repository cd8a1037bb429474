"""The plans that `fedface demo` runs: presets of `fedface plan init`, in the size that is asked for."""

from __future__ import annotations

from typing import Any

from fedface_cli.plan_presets import PRESETS
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.merge_patch import apply_merge_patch

_ORL_IDENTITIES = 40


def orl(clients: int | None = None, rounds: int | None = None, seed: int = 0) -> Plan:
    """The plan for the 40 people of the ORL database, at 20 pixels, with dlib's network: up to 20 clients, 20 test people.

    It starts from the model of a run of `orl_centre`. Raises `InvalidInputError` if ``clients`` is larger than 20.
    """
    plan = _preset("orl-gaussian", "gaussian negatives on ORL", rounds, seed)
    most_clients = _ORL_IDENTITIES - plan.split.test
    if clients is not None and clients > most_clients:
        raise InvalidInputError(
            f"--clients {clients}: at most {most_clients}, for ORL has {_ORL_IDENTITIES} people "
            f"and {plan.split.test} are for the test"
        )
    return plan if clients is None else apply_merge_patch(plan, {"split": {"clients": clients}})


def orl_centre(plan: Plan) -> Plan:
    """The plan of a run that measures the centre for `orl`: of enrolment, and a round without a step."""
    measuring = _preset("orl", "the centre of ORL's clients", 1, plan.seed)
    changes = {"split": {"clients": plan.split.clients}, "local_training": {"steps": 0}}
    return apply_merge_patch(measuring, changes | {"compute": {"device": plan.compute.device}})


def synthetic(clients: int | None = None, rounds: int | None = None, seed: int = 0) -> Plan:
    """The plan for rendered faces and a small network, which takes little time.

    Its weights are random; the demo pre-trains a model on the 200 public identities, and starts from that.
    """
    plan = _preset("synthetic", "FedFace on synthetic faces", rounds, seed)
    split = {"public": 200, "clients": clients or plan.split.clients}
    return apply_merge_patch(plan, {"model": {"weights": "random"}, "data": {"seed": seed}, "split": split})


def _preset(preset: str, name: str, rounds: int | None, seed: int) -> Plan:
    changes: dict[str, Any] = {"name": name, "seed": seed, "split": {"seed": seed}}
    if rounds is not None:
        changes["rounds"] = rounds
    return apply_merge_patch(Plan.model_validate(PRESETS[preset]), changes)
