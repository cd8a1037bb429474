"""Says which model versions are named and not claimed, by reading every run: what claims are there to spare the services."""

from __future__ import annotations

from fedface_control.upkeep.named_artifacts import aggregations, named_by, restorable_runs
from fedface_core.contracts import object_keys
from fedface_core.domain.run import RunPhase
from fedface_core.ports import Ports


def unclaimed(ports: Ports) -> set[tuple[str, str]]:
    """Each model version that a run names and has not claimed, with the run. A run that is being deleted names none."""
    in_ledger = {run.id: run for run in ports.ledger.runs()}
    missing = set()
    for run_id in restorable_runs(ports.artifacts.keys(object_keys.RUNS)) | in_ledger.keys():
        if run_id in in_ledger and in_ledger[run_id].phase is RunPhase.DELETING:
            continue
        named = named_by(ports, run_id)
        for aggregation in aggregations(ports.artifacts, run_id):
            named.add_aggregation(aggregation)
        claims = {*ports.artifacts.keys(object_keys.CLAIMS)}
        missing |= {(sha256, run_id) for sha256 in named.models if object_keys.claim(sha256, run_id) not in claims}
    return missing


def models_of_nobody(ports: Ports) -> set[str]:
    """SHA-256 of the model versions in the store that nobody has claimed or uploaded."""
    claims = filter(object_keys.is_claim, ports.artifacts.keys(object_keys.CLAIMS))
    claimed = {object_keys.parse_claim_key(key)[0] for key in claims}
    uploaded = {key.removeprefix(object_keys.UPLOADS) for key in ports.artifacts.keys(object_keys.UPLOADS)}
    stored = {object_keys.parse_model_key(key) for key in ports.artifacts.keys(object_keys.MODELS)}
    return stored - claimed - uploaded
