"""FedFace with its queue and its store: a local stack with two client workers, on a GPU if the plan says so."""

from __future__ import annotations

import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, cast

from fedface_cli.api_client import ControlApi
from fedface_core.contracts.http import RoundView
from fedface_core.domain.errors import WrongPhaseError
from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.merge_patch import apply_merge_patch
from fedface_core.domain.run import ENDED
from fedface_learning.formats.codec import decode_tensors
from fedface_stack.stack import LocalStack
from loadtest.bare.workload import read_workload
from loadtest.bench.completed_run import POLL_SECONDS, RunDidNotCompleteError
from loadtest.peers.runner_result import RunnerResult

CLIENT_WORKERS: Final = 2


def run(path: Path, rounds: int, variant: str) -> RunnerResult:
    """Run the workload's plan; ``variant`` is the artifact store, directory or s3, with ``+combined`` for combined delivery.

    A round lasts until the next one opens, so it includes aggregation, evaluation and turnover. For the end of the last
    round one more round is opened, and the run is cancelled in it. `RunDidNotCompleteError` if the run ends before.
    """
    plan, artifacts = plan_of(variant, Plan.model_validate_json(read_workload(path).plan), rounds)
    on_gpu = plan.compute.device == "cuda"
    with (
        tempfile.TemporaryDirectory(prefix="fedface-peers-") as workdir,
        LocalStack(Path(workdir), client_workers=CLIENT_WORKERS, artifacts=artifacts, gpu=on_gpu) as stack,
        ControlApi(stack.api_url) as api,
    ):
        run_id = api.create(plan).id
        api.start(run_id)
        opened = _training_rounds(stack, api, run_id, rounds + 1)
        with suppress(WrongPhaseError):  # with a small size the last round may have ended already
            api.cancel(run_id)
        first_model, _ = decode_tensors(_stored_model(api, opened[1].model_sha256))
        if artifacts == "s3":
            stack.kill("s3")  # nobody reads its files any more, and shutting down takes it 15 s
    return RunnerResult(tuple(view.opened_at.timestamp() for view in opened), first_model)


def plan_of(variant: str, workload: Plan, rounds: int) -> tuple[Plan, Literal["directory", "s3"]]:
    """The plan with one round more than ``rounds``, and the artifact store, of a variant as `run` takes it."""
    store, _, delivery = variant.partition("+")
    changes = {"rounds": rounds + 1} | ({"delivery": delivery} if delivery else {})
    return apply_merge_patch(workload, changes), cast("Literal['directory', 's3']", store)


def _training_rounds(stack: LocalStack, api: ControlApi, run_id: str, wanted: int) -> list[RoundView]:
    """The run's first ``wanted`` training rounds, once the last of them has opened."""
    while True:
        stack.check()
        found = api.run(run_id)
        if found.round is not None and found.round >= wanted:
            return api.rounds(run_id).rounds[1 : wanted + 1]
        if found.phase in ENDED:
            raise RunDidNotCompleteError(f"the run is {found.phase} in round {found.round}: {found.failure}")
        time.sleep(POLL_SECONDS)


def _stored_model(api: ControlApi, sha256: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix="fedface-peers-") as folder:
        file = Path(folder, "model.safetensors")
        api.download_model_version(sha256, file)
        return file.read_bytes()
