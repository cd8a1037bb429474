"""Lists the identities of a run's data set before round 0, so that the run keeps its people.

A client worker does this for the whole run, because it has the photographs wherever FedFace runs. No name leaves it.
"""

from __future__ import annotations

import structlog

from fedface_core.contracts import object_keys
from fedface_core.domain.commands import ListIdentities
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.facts import IdentitiesListed
from fedface_core.domain.run import ENDED
from fedface_learning.formats.codec import sha256_hex
from fedface_worker.data_sets import list_identities_now
from fedface_worker.failing_steps import counts_failures, failed_step
from fedface_worker.workbench import Workbench

log = structlog.get_logger(__name__)


@counts_failures
def list_identities(workbench: Workbench, command: ListIdentities, correlation_id: str) -> None:
    """Put the identity list of the run's data set and report it to control.

    If the data set cannot be opened or has too few identities, the failed step is reported instead, which ends the run.
    """
    ports = workbench.ports
    run = ports.ledger.load(command.run_id)
    if run.identity_list_sha256 is not None or run.round is not None or run.phase in ENDED:
        log.info("nothing_to_do", run_phase=run.phase)
        return
    try:
        data = list_identities_now(run.plan, workbench.roots)
    except InvalidInputError as error:
        workbench.report(failed_step(command, "the identities cannot be listed", error), correlation_id)
        return
    sha256 = sha256_hex(data)
    ports.artifacts.put(object_keys.identity_list(run.id, sha256), data)
    log.info("identities_listed", identity_list_sha256=sha256, identities=data.count(b"\n"))
    listed = IdentitiesListed(run_id=run.id, correlation_id=run.correlation_id, identity_list_sha256=sha256)
    workbench.report(listed, correlation_id)
