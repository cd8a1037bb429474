"""Prepares a run: puts its initial model version, made of the plan's weights, before round 0."""

from __future__ import annotations

import structlog

from fedface_core.contracts import object_keys
from fedface_core.domain.commands import PrepareModel
from fedface_core.domain.errors import ArtifactMissingError, DamagedObjectError, InvalidInputError
from fedface_core.domain.facts import ModelPrepared
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import ENDED
from fedface_core.ports import ArtifactStore
from fedface_learning.formats.codec import sha256_hex
from fedface_learning.models import EmbeddingNetwork, initial_network
from fedface_learning.models.weights import encode_network, load_network
from fedface_worker.checked_artifacts import get_checked
from fedface_worker.failing_steps import counts_failures, failed_step
from fedface_worker.workbench import Workbench

log = structlog.get_logger(__name__)


@counts_failures
def prepare_model(workbench: Workbench, command: PrepareModel, correlation_id: str) -> None:
    """Claim and put the initial model version of a run and report it to control.

    If the weights are missing or do not fit the network, the failed step is reported instead, which ends the run.
    """
    ports = workbench.ports
    run = ports.ledger.load(command.run_id)
    if run.model_sha256 is not None or run.phase in ENDED:
        log.info("nothing_to_do", run_phase=run.phase)
        return
    plan = run.plan
    try:
        data = encode_network(initial_model(ports.artifacts, plan))
    except (InvalidInputError, DamagedObjectError, ArtifactMissingError) as error:
        workbench.report(failed_step(command, "model.weights", error), correlation_id)
        return
    sha256 = sha256_hex(data)
    ports.artifacts.put(object_keys.claim(sha256, command.run_id), object_keys.claim_of_round(0))
    ports.artifacts.put(object_keys.model(sha256), data)
    log.info("model_prepared", model_sha256=sha256, bytes=len(data))
    workbench.report(ModelPrepared(run_id=command.run_id, model_sha256=sha256), correlation_id)


def initial_model(artifacts: ArtifactStore, plan: Plan) -> EmbeddingNetwork:
    """The network that the plan starts from: drawn by the seed, with published weights, or a model version in the store.

    `InvalidInputError` if published weights are not installed or the weights do not fit the network,
    `ArtifactMissingError` if the store has no such model version, `DamagedObjectError` if it is damaged.
    """
    weights = plan.model.stored_weights
    if weights is None:
        return initial_network(plan.model, plan.seed)
    return load_network(
        plan.model, get_checked(artifacts, object_keys.model(weights), weights), source=f"the stored model {weights}"
    )
