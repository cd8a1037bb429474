"""The settings choose the artifact store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from fedface_core.bootstrap import connect, ensure_bucket
from fedface_core.domain.errors import ArtifactMissingError, InvalidInputError
from fedface_core.runtime.celery_app import create_celery
from fedface_core.runtime.settings import Settings

REDIS = SecretStr("redis://:own@127.0.0.1:1/0")  # nothing listens there, and nothing here connects


def test_a_directory_keeps_the_artifacts(tmp_path: Path) -> None:
    settings = Settings(redis_url=REDIS, artifacts="directory", artifact_directory=tmp_path / "artifacts")
    ports = connect(settings, create_celery(settings))
    ports.artifacts.put("models/a", b"x")
    assert (tmp_path / "artifacts/models/a").read_bytes() == b"x"
    with pytest.raises(ArtifactMissingError):
        ports.artifacts.get("models/b")
    ensure_bucket(settings)  # does nothing, since a directory has no bucket


@pytest.mark.parametrize(
    ("setting", "value"),
    [("redis_url", SecretStr("http://host")), ("s3_endpoint", "http://minio:9000/path")],
)
def test_a_wrong_address_is_refused_before_anything_is_connected(setting: str, value: Any) -> None:
    settings = Settings(
        redis_url=REDIS,
        artifacts="s3",
        s3_endpoint="minio:9000",
        s3_access_key="key",
        s3_secret_key=SecretStr("own"),
    )
    app = create_celery(settings)
    with pytest.raises(InvalidInputError, match=f"FEDFACE_{setting.upper()}"):
        connect(settings.model_copy(update={setting: value}), app)


def test_the_time_of_a_service_is_that_of_the_ledger(ledger_url: str, tmp_path: Path) -> None:
    settings = Settings(redis_url=SecretStr(ledger_url), artifacts="directory", artifact_directory=tmp_path)
    ports = connect(settings, create_celery(settings))
    assert ports.ledger.now() <= ports.clock.now() <= ports.ledger.now()
