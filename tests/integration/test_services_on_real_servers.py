"""The services over a real Valkey and real stores give the model of a simulation, to the byte."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis

from fedface_core.adapters.directory import LocalArtifacts
from fedface_core.adapters.memory import ManualClock
from fedface_core.adapters.redis.ledger import RedisLedger
from fedface_core.adapters.s3 import S3Artifacts
from fedface_core.domain.run import RunPhase
from fedface_core.ports import ArtifactStore
from fedface_learning.seeding import use_deterministic_torch
from fedface_learning.simulation.simulate import simulate
from support.in_process import Disorder, InProcess
from support.servers import S3Server
from support.tiny_run import tiny_plan, write_faces

OpenStore = Callable[[pytest.FixtureRequest, Path], ArtifactStore]


def directory(_request: pytest.FixtureRequest, tmp_path: Path) -> LocalArtifacts:
    return LocalArtifacts(tmp_path / "artifacts")


def s3(request: pytest.FixtureRequest, _tmp_path: Path) -> S3Artifacts:
    server: S3Server = request.getfixturevalue("s3_server")
    return server.artifacts()


@pytest.fixture
def ledger_url(valkey_url: str) -> str:
    """An empty database that no other test uses."""
    url = urlsplit(valkey_url)._replace(path="/7").geturl()
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


WINNER: dict[str, Any] = {
    "rounds": 3,
    "cohort": {"size": 3, "shard_size": 2, "max_update_norm": 5_000},
    "split": {"public": 2, "clients": 4, "test": 2},
    "strategy": {"name": "gaussian-negatives", "public_batch": 5, "guidance_every": 2},
    "aggregation": {"optimiser": {"name": "sgd", "learning_rate": 0.1, "weight_decay": 2e-3}},
    "local_training": {
        "steps": 1,
        "learning_rate": 1e-3,
        "losses": "seen",
        "schedule": "one-cycle",
        "augmentation": "strong",
    },
}
"""The arm gaussian-negatives of docs/studies/rivals.toml, in small."""


@pytest.mark.parametrize("open_store", [directory, s3])
@pytest.mark.parametrize("settings", [{}, WINNER], ids=["fedface", "winner"])
def test_a_run_ends_with_the_simulated_model(
    request: pytest.FixtureRequest, tmp_path: Path, ledger_url: str, open_store: OpenStore, settings: dict[str, Any]
) -> None:
    use_deterministic_torch(1)
    disorder = Disorder(seed=4, reorder=True, duplicate=0.3, drop=0.1)
    clock = ManualClock()
    services = InProcess(
        tiny_plan(write_faces(tmp_path / "faces"), **settings),
        disorder,
        kill_after=40,
        clock=clock,
        ledger=RedisLedger(ledger_url, clock=clock),
        artifacts=open_store(request, tmp_path),
    )
    run = services.run()
    expected = simulate(services.plan)
    assert (run.phase, run.model_sha256) == (RunPhase.COMPLETED, expected.model_sha256)
    for simulated in expected.rounds:
        manifest = services.manifest(run.id, simulated.number)
        assert tuple(manifest.accepted) == manifest.round.cohort
        assert manifest.round.aggregation == simulated.aggregation
        assert simulated.verification is not None
        assert manifest.round.scores == simulated.verification.scores
