"""The settings of the services, from environment variables with the prefix ``FEDFACE_``."""

from __future__ import annotations

from typing import Literal, Self, TypeVar

from pydantic import Field, model_validator

from fedface_core.domain.budget import DEFAULT_BUDGET, Budget
from fedface_core.domain.device_kinds import CPU, DeviceKind
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.loopback import is_loopback
from fedface_core.domain.patience import PATIENCE_SECONDS
from fedface_core.files.safetensors_header import MAX_MODEL_BYTES
from fedface_core.runtime.environment_settings import EnvironmentSettings, exit_with_problems, settings_or_exit
from fedface_core.runtime.redis_url import names_authorities, trusting, uses_tls
from fedface_core.runtime.secret_files import secret_fields
from fedface_core.runtime.setting_types import (
    Amount,
    AuthoritiesFile,
    Count,
    File,
    Folder,
    Folders,
    Host,
    Port,
    RedisUrl,
    Seconds,
    Url,
    Urls,
    WebhookSecret,
    WholeSeconds,
)
from fedface_core.runtime.sign_in_settings import SignInSettings
from fedface_core.runtime.store_settings import StoreSettings
from fedface_core.runtime.tls_files import check_pair_of
from fedface_core.signing.keys import load_keyring

# The secrets in .env.example contain this word. They are published, so they are refused outside development.
PLACEHOLDER = "change-me"


class RedisSettings(EnvironmentSettings):
    """Where the Redis of the ledger and the broker is."""

    redis_url: RedisUrl = Field(
        description="The Redis or Valkey of the broker and the ledger, redis://:secret@host:6379/0, or rediss:// with TLS."
    )
    ledger_full_at: float = Field(
        default=0.8, gt=0, le=1, description="The share of Redis's maxmemory above which no run is created any more."
    )
    redis_ca_file: AuthoritiesFile | None = Field(
        default=None, description="The authorities that are trusted to sign Redis's certificate; by default the machine's."
    )

    @property
    def redis_address(self) -> str:
        """The URL of Redis with its secret, and with the authorities that are trusted to sign its certificate."""
        url = self.redis_url.get_secret_value()
        return url if self.redis_ca_file is None else trusting(url, self.redis_ca_file)

    @model_validator(mode="after")
    def _authorities_are_for_tls(self) -> Self:
        url = self.redis_url.get_secret_value()
        if self.redis_ca_file is not None and not uses_tls(url):
            raise ValueError(
                "FEDFACE_REDIS_CA_FILE is for TLS: begin FEDFACE_REDIS_URL with rediss://, or leave the file out"
            )
        if self.redis_ca_file is not None and names_authorities(url):
            raise ValueError("FEDFACE_REDIS_CA_FILE and ssl_ca_certs in FEDFACE_REDIS_URL are both set: set one of them")
        return self


class Settings(StoreSettings, RedisSettings):
    """The settings of every service: for the ledger and the broker, the artifact store and the logs."""

    environment: Literal["production", "development"] = "production"
    signing_key_file: File | None = Field(default=None, description="The private key that the service signs with, PEM.")
    trusted_keys_file: File | None = Field(
        default=None,
        description="The public keys of services, JSON. python -m fedface_core.signing.make_keys makes it.",
    )
    traces_url: Url | None = Field(
        default=None,
        description="Where spans are sent, by OTLP over HTTP: http://collector:4318/v1/traces.",
    )

    @model_validator(mode="after")
    def _no_placeholder_secrets(self) -> Self:
        secrets = {f"FEDFACE_{name.upper()}": getattr(self, name) for name in secret_fields(type(self))}
        published = [name for name, value in secrets.items() if value and PLACEHOLDER in value.get_secret_value()]
        if published and self.environment != "development":
            raise ValueError(
                f"{', '.join(published)} still has the placeholder '{PLACEHOLDER}' of .env.example; "
                "set a secret of your own, or FEDFACE_ENVIRONMENT=development to try things out"
            )
        return self


class WorkerSettings(Settings):
    """The settings of a Celery worker: those of every service, and its processes, limits and metrics."""

    concurrency: Count = Field(default=1, description="Worker processes.")
    threads: Count = Field(default=1, description="Torch threads in each process.")
    task_time_limit_seconds: WholeSeconds = Field(default=600, description="A task that runs longer is killed.")
    patience_seconds: Seconds = Field(
        default=PATIENCE_SECONDS,
        description="How long an operation of a task waits for Redis or the artifact store before it fails.",
    )
    grace_seconds: Seconds = Field(
        default=30.0,
        description="How long running tasks may go on after SIGTERM; unfinished tasks then go back into the queue.",
    )
    metrics_host: Host = "127.0.0.1"
    metrics_port: Port = Field(default=0, description="The port that Prometheus scrapes; 0 takes a free port.")
    metrics_directory: Folder | None = Field(
        default=None, description="The directory of the processes' metric files, which are removed at start."
    )
    metrics_tls_certificate_file: File | None = Field(
        default=None, description="The certificate, with those between it and its authority, that makes /metrics speak TLS."
    )
    metrics_tls_key_file: File | None = Field(default=None, description="The private key of that certificate.")

    @model_validator(mode="after")
    def _metrics_pair_is_whole(self) -> Self:
        check_pair_of("METRICS", self.metrics_tls_certificate_file, self.metrics_tls_key_file)
        return self

    @model_validator(mode="after")
    def _patience_ends_before_the_task(self) -> Self:
        if self.patience_seconds >= self.task_time_limit_seconds:
            raise ValueError(
                f"FEDFACE_PATIENCE_SECONDS ({self.patience_seconds:g}) must be below FEDFACE_TASK_TIME_LIMIT_SECONDS "
                f"({self.task_time_limit_seconds}), or a task would be killed while it waits"
            )
        return self


class ComputeSettings(WorkerSettings):
    """The settings of a worker that computes with photographs: those of every worker, and where it may read photographs."""

    photograph_roots: Folders = Field(
        default=(),
        description="The folders below which a plan may name photographs, and lists about them: their paths with ':' "
        "between them, or a JSON list. Without one, plans use no files of this machine.",
    )


class DeviceSettings(ComputeSettings):
    """The settings of a worker that clients or the evaluation are computed by: those above, and its device."""

    device: DeviceKind = Field(
        default=CPU, description="The device that this worker computes on: it takes the tasks of plans for this kind alone."
    )


class ControlSettings(WorkerSettings, SignInSettings):
    """The settings of control: those of a worker, of the API and the sweep, and of who may use the API."""

    api_host: Host = "127.0.0.1"
    api_port: Port = 8000
    api_tls_certificate_file: File | None = Field(
        default=None, description="The certificate, with those between it and its authority, that makes the API speak TLS."
    )
    api_tls_key_file: File | None = Field(default=None, description="The private key of that certificate.")
    api_root_path: str = Field(
        default="",
        pattern=r"^(/[A-Za-z0-9._~-]+)*$",
        description="The path prefix under which a reverse proxy offers the API and which it strips, such as /fedface.",
    )
    api_connections: int = Field(default=512, ge=1, le=5_000, description="Connections that the API serves at once.")
    api_event_streams: int = Field(
        default=100, ge=1, le=2_500, description="Event streams that it serves at once, at most half of the connections."
    )
    api_event_streams_of_run: int = Field(default=50, ge=1, le=2_500, description="Event streams of one run at once.")
    api_event_streams_of_client: int = Field(
        default=50, ge=1, le=2_500, description="Event streams to one client's address at once."
    )
    api_uploads: int = Field(default=4, ge=1, le=100, description="Uploads of models that the API takes at once.")
    api_model_bytes: int = Field(
        default=MAX_MODEL_BYTES, ge=1, le=MAX_MODEL_BYTES, description="The largest uploaded model."
    )
    api_runs: int = Field(default=10_000, ge=1, le=1_000_000, description="The most runs that the ledger may hold.")
    api_plan_bytes: int = Field(
        default=2 * 2**20, ge=1_000, le=16 * 2**20, description="The most bytes that a run's plan takes as JSON."
    )
    plan_parameters: Amount = Field(
        default=DEFAULT_BUDGET.parameters, description="The largest network of a new run, in parameters."
    )
    plan_class_numbers: Amount = Field(
        default=DEFAULT_BUDGET.class_numbers, description="The most clients of a new run, times the embedding size."
    )
    plan_numbers_held: Amount = Field(
        default=DEFAULT_BUDGET.numbers_held, description="The most numbers that a process of a new run holds at once."
    )
    plan_multiplications: Amount = Field(
        default=DEFAULT_BUDGET.multiplications, description="The most multiplications of one task of a new run."
    )
    restore_on_start: bool = Field(
        default=False, description="Whether the API first restores runs that the ledger has lost from the artifact store."
    )
    restore_unsigned: bool = Field(
        default=False,
        description="Whether run records and manifests without any signature are believed: those of a FedFace that did not "
        "sign. Set it to restore such runs, and then remove it.",
    )
    sweep_seconds: Seconds = Field(default=5.0, description="The time between two sweeps.")
    repeat_after_seconds: Seconds = Field(
        default=60.0, description="The commands of a round are published again after this time without activity."
    )

    webhook_urls: Urls = Field(
        default=(), description="Who is told of what happens to runs and rounds: URLs with commas between them."
    )
    webhook_secret: WebhookSecret | None = Field(
        default=None, description="The secret by which these messages are signed, and with which receivers check them."
    )

    @model_validator(mode="after")
    def _webhooks_are_signed(self) -> Self:
        if self.webhook_urls and self.webhook_secret is None:
            raise ValueError("FEDFACE_WEBHOOK_URLS is set, so FEDFACE_WEBHOOK_SECRET (or its _FILE) has to be")
        return self

    @model_validator(mode="after")
    def _api_pair_is_whole(self) -> Self:
        check_pair_of("API", self.api_tls_certificate_file, self.api_tls_key_file)
        return self

    @model_validator(mode="after")
    def _an_open_api_is_for_its_own_machine(self) -> Self:
        if self.api_open and not is_loopback(self.api_host):
            raise ValueError(
                f"FEDFACE_API_OPEN=true lets everybody who reaches {self.api_host:.80} do everything: set "
                "FEDFACE_API_HOST=127.0.0.1, or leave it out and set FEDFACE_API_FIRST_KEY or FEDFACE_OIDC_ISSUER"
            )
        return self

    @property
    def budget(self) -> Budget:
        """What a new run may cost at most."""
        return Budget(
            parameters=self.plan_parameters,
            class_numbers=self.plan_class_numbers,
            numbers_held=self.plan_numbers_held,
            multiplications=self.plan_multiplications,
        )


SettingsT = TypeVar("SettingsT", bound=Settings)


def load_settings(kind: type[SettingsT]) -> SettingsT:
    """The settings of type ``kind`` from the environment.

    If settings are missing or wrong, or the keys that they name cannot be used, the process says so on standard error and
    exits with status 78.
    """
    settings = settings_or_exit(kind)
    _check_keys(settings)
    return settings


def _check_keys(settings: Settings) -> None:
    """A service that could not sign, or believe others, would only let every run wait: it does not start."""
    files = {
        "FEDFACE_SIGNING_KEY_FILE": settings.signing_key_file,
        "FEDFACE_TRUSTED_KEYS_FILE": settings.trusted_keys_file,
    }
    missing = [name for name, file in files.items() if file is None]
    if missing:
        makes_it = "is not set: python -m fedface_core.signing.make_keys DIRECTORY makes it"
        exit_with_problems([f"{name} {makes_it}" for name in missing])
    assert settings.signing_key_file is not None, "not missing"
    assert settings.trusted_keys_file is not None, "not missing"
    try:
        load_keyring(settings.signing_key_file, settings.trusted_keys_file)
    except InvalidInputError as error:
        exit_with_problems([str(error)])
