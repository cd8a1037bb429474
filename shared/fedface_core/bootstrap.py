"""Connects the four ports to real adapters by the settings. The process of every service calls `connect` once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery import Celery

from fedface_core.adapters.celery import CeleryPublisher
from fedface_core.adapters.directory import LocalArtifacts
from fedface_core.adapters.redis.api_keys import RedisApiKeys
from fedface_core.adapters.redis.dead_letters import RedisDeadLetters
from fedface_core.adapters.redis.ledger import RedisLedger
from fedface_core.adapters.signed_artifacts import SignedArtifacts
from fedface_core.adapters.system_clock import LedgerClock
from fedface_core.ports import ApiKeys, DeadLetters, Ports
from fedface_core.runtime.keyring import keyring_of
from fedface_core.runtime.metrics import CountedArtifacts
from fedface_core.runtime.settings import ControlSettings, Settings
from fedface_core.runtime.store_settings import StoreSettings

if TYPE_CHECKING:
    from fedface_core.adapters.s3 import S3Artifacts


def connect(settings: Settings, app: Celery) -> Ports:
    """The ports of a service: a ledger in Redis, the artifact store of the settings, ``app``'s broker, the ledger's clock.

    What the service puts and publishes is signed with its key, and what it reads is checked.
    `InvalidInputError` if the settings have a wrong URL or endpoint; `UnavailableError` if the artifact directory cannot be
    written. Redis and S3 are first contacted when they are used.
    """
    ledger = RedisLedger(settings.redis_address, full_at=settings.ledger_full_at)
    keyring = keyring_of(settings)
    may_be_unsigned = ("run", "manifest") if isinstance(settings, ControlSettings) and settings.restore_unsigned else ()
    signed = SignedArtifacts(artifact_store(settings), keyring, may_be_unsigned)
    return Ports(
        ledger=ledger,
        artifacts=CountedArtifacts(signed),
        publisher=CeleryPublisher(app, keyring),
        clock=LedgerClock(ledger),
        signatures=signed,
    )


def connect_api_keys(settings: ControlSettings) -> ApiKeys:
    """The store of API keys: in the ledger's Redis, which is first contacted when it is used."""
    return RedisApiKeys(settings.redis_address)


def connect_dead_letters(settings: Settings) -> DeadLetters:
    """The messages that workers have dropped: in the broker's Redis, which is first contacted when it is used."""
    return RedisDeadLetters(settings.redis_address)


def ensure_bucket(settings: Settings) -> None:
    """Create the bucket if the artifact store is S3 and the bucket is missing. The API calls this before it takes runs.

    `UnavailableError` if the bucket cannot be created.
    """
    if settings.artifacts == "s3":
        _s3_artifacts(settings).ensure_bucket()


def artifact_store(settings: StoreSettings) -> LocalArtifacts | S3Artifacts:
    """The artifact store of the settings as it is: objects have their signatures behind them, which nobody checks here.

    `UnavailableError` if the artifact directory cannot be written. S3 is first contacted when it is used.
    """
    if settings.artifacts == "directory":
        assert settings.artifact_directory is not None, "checked by Settings"
        return LocalArtifacts(settings.artifact_directory)
    return _s3_artifacts(settings)


def _s3_artifacts(settings: StoreSettings) -> S3Artifacts:
    # Imported here, since the import takes 0.4 s of CPU time, which a service with a directory need not wait for.
    from fedface_core.adapters.s3 import S3Artifacts

    assert settings.s3_endpoint is not None, "checked by Settings"
    assert settings.s3_access_key is not None, "checked by Settings"
    assert settings.s3_secret_key is not None, "checked by Settings"
    return S3Artifacts(
        endpoint=settings.s3_endpoint,
        bucket=settings.s3_bucket,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key.get_secret_value(),
        region=settings.s3_region,
        secure=settings.s3_secure,
        authorities=settings.s3_ca_file,
    )
