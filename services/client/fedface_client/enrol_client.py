"""Enrolment on the client: the mean embedding of its images under the pre-trained network."""

from __future__ import annotations

from fedface_client.deliver_update import Delivery, respond
from fedface_client.device import photographs
from fedface_client.settle_client import Invitation
from fedface_client.work_through import work_through
from fedface_core.domain.commands import EnrolClients
from fedface_core.runtime.metrics import CLIENT_STEP_SECONDS
from fedface_learning.client.update import Update, enrolment_update
from fedface_worker.workbench import Workbench


def enrol_clients(bench: Workbench, command: EnrolClients, correlation_id: str) -> None:
    """Have each client put its mean embedding as its update of round 0."""
    plan = bench.plan(command.run_id, correlation_id)
    opened = bench.opened_round(command.run_id, 0, correlation_id)

    def make_update(client: str) -> Update:
        with CLIENT_STEP_SECONDS.labels("fetch").time():
            images_NCHW = photographs(plan, client)
            network = bench.models.network(plan.model, opened.model_sha256)
        with CLIENT_STEP_SECONDS.labels("embed").time():
            return enrolment_update(network, images_NCHW, plan)

    def enrol(client: str) -> Delivery | None:
        return respond(bench, plan, Invitation(command.run_id, 0, client, correlation_id), lambda: make_update(client))

    work_through(bench, command, correlation_id, enrol)
