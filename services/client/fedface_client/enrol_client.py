"""Enrolment on the client: the mean embedding of its images under the pre-trained network."""

from __future__ import annotations

from fedface_client.deliver_update import answer
from fedface_client.device import photographs
from fedface_client.settle_client import Invitation
from fedface_core.domain.commands import EnrolClient
from fedface_core.learning.client_steps import Update, enrolment_update
from fedface_core.runtime.workbench import Workbench


def enrol_client(bench: Workbench, command: EnrolClient, correlation_id: str) -> None:
    """Put the client's mean embedding as its update of round 0."""
    plan = bench.plan(command.run_id, correlation_id)
    opened = bench.opened_round(command.run_id, 0, correlation_id)

    def make_update() -> Update:
        images_NCHW = photographs(plan, command.client_id)
        return enrolment_update(bench.models.network(plan.model, opened.model_sha256), images_NCHW, plan)

    answer(bench, plan, Invitation(command.run_id, 0, command.client_id, correlation_id), make_update)
