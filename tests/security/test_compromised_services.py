"""A service that somebody has taken over acts during a whole run, on real servers, with all that it has: it changes nothing.

The attacker has the service's user in Redis, its key of S3 and its signing key. It knows what it could not see: all keys of
objects and all messages, as they are put. At each step it tries to put something else in the place of each object, to send
what others send, and to send again what was sent. What its own service makes is not forged: it may do that anyway
(docs/security.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import structlog

from fedface_core.access.permissions import Identity
from fedface_core.domain.run import RunPhase
from fedface_learning.seeding import use_deterministic_torch
from fedface_learning.simulation.simulate import simulate
from fedface_stack.embedded_servers import HOST
from support.guarded_servers import BUCKET, Broker, Store, secret_of
from support.guarded_services import GuardedServices
from support.tiny_run import tiny_plan, write_faces


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    use_deterministic_torch(1)
    return write_faces(tmp_path_factory.mktemp("faces"))


@pytest.fixture
def services(broker: Broker, store: Store, tmp_path: Path) -> Iterator[GuardedServices]:
    for key in store.operator().keys(""):
        store.operator().delete(key)

    def settings_of(identity: Identity) -> dict[str, object]:
        return {
            "redis_url": broker.url(identity),
            "s3_endpoint": f"{HOST}:{store.ports[3]}",
            "s3_bucket": BUCKET,
            "s3_access_key": str(identity),
            "s3_secret_key": secret_of(identity),
        }

    with closing(GuardedServices(settings_of, tmp_path)) as made:
        yield made


def test_a_run_needs_no_more_rights_than_the_table_gives(services: GuardedServices, faces: Path) -> None:
    plan = tiny_plan(faces)
    with structlog.testing.capture_logs() as logs:
        run = services.run(plan, lambda _: None)
    assert (run.phase, run.model_sha256) == (RunPhase.COMPLETED, simulate(plan).model_sha256)
    assert [entry for entry in logs if entry["log_level"] in ("error", "critical")] == []
