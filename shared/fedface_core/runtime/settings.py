"""The settings of the services, from environment variables with the prefix ``FEDFACE_``."""

from __future__ import annotations

import sys
from typing import Literal, NoReturn, Self, TypeVar

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from fedface_core.domain.budget import DEFAULT_BUDGET, Budget
from fedface_core.domain.patience import PATIENCE_SECONDS
from fedface_core.files.safetensors_header import MAX_MODEL_BYTES
from fedface_core.runtime.setting_types import (
    Amount,
    BucketName,
    Count,
    Endpoint,
    Folder,
    Folders,
    Host,
    Port,
    RedisUrl,
    Region,
    Seconds,
    Secret,
    Token,
    WholeSeconds,
)

# The secrets in .env.example contain this word. They are published, so they are refused outside development.
PLACEHOLDER = "change-me"


class Settings(BaseSettings):
    """The settings of every service: for the ledger and the broker, the artifact store and the logs.

    `pydantic.ValidationError` if a setting is missing or wrong.
    """

    model_config = SettingsConfigDict(env_prefix="FEDFACE_", extra="ignore", frozen=True, hide_input_in_errors=True)

    environment: Literal["production", "development"] = "production"
    redis_url: RedisUrl = Field(
        description="The Redis or Valkey of the broker and the ledger, redis://:secret@host:6379/0, or rediss:// with TLS."
    )
    ledger_full_at: float = Field(
        default=0.8, gt=0, le=1, description="The share of Redis's maxmemory above which no run is created any more."
    )
    artifacts: Literal["s3", "directory"] = Field(description="The kind of the artifact store.")
    artifact_directory: Folder | None = None
    s3_endpoint: Endpoint | None = Field(default=None, description="host:port")
    s3_bucket: BucketName = "fedface"
    s3_access_key: Token | None = None
    s3_secret_key: Secret | None = None
    s3_region: Region = "us-east-1"
    s3_secure: bool = False
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] = "json"

    @model_validator(mode="after")
    def _artifact_store_is_complete(self) -> Self:
        needed = (
            ["artifact_directory"] if self.artifacts == "directory" else ["s3_endpoint", "s3_access_key", "s3_secret_key"]
        )
        missing = [f"FEDFACE_{name.upper()}" for name in needed if getattr(self, name) is None]
        if missing:
            raise ValueError(f"with FEDFACE_ARTIFACTS={self.artifacts}, also set {', '.join(missing)}")
        return self

    @model_validator(mode="after")
    def _no_placeholder_secrets(self) -> Self:
        secrets = {"FEDFACE_REDIS_URL": self.redis_url, "FEDFACE_S3_SECRET_KEY": self.s3_secret_key}
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


class ControlSettings(WorkerSettings):
    """The settings of control: those of a worker, and of the API and the sweep."""

    api_host: Host = "127.0.0.1"
    api_port: Port = 8000
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
    sweep_seconds: Seconds = Field(default=5.0, description="The time between two sweeps.")
    repeat_after_seconds: Seconds = Field(
        default=60.0, description="The commands of a round are published again after this time without activity."
    )

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

    If settings are missing or wrong, the process names them on standard error and exits with status 78.
    """
    try:
        return kind()
    except ValidationError as error:
        _exit_with_problems(error)


def _exit_with_problems(error: ValidationError) -> NoReturn:
    for problem in error.errors():
        name = "_".join(str(part) for part in problem["loc"]).upper()
        message = "is not set" if problem["type"] == "missing" else problem["msg"].removeprefix("Value error, ")
        print(f"settings: FEDFACE_{name} {message}" if name else f"settings: {message}", file=sys.stderr)
    sys.exit(78)  # EX_CONFIG of sysexits.h
