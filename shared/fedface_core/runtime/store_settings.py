"""The settings of the artifact store: those of every service, and of the laboratory, which reads what a run has stored."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from fedface_core.runtime.environment_settings import EnvironmentSettings
from fedface_core.runtime.setting_types import AuthoritiesFile, BucketName, Endpoint, Folder, Region, Secret, Token


class StoreSettings(EnvironmentSettings):
    """Where the artifact store is: in a directory, or in a bucket of an S3 server."""

    artifacts: Literal["s3", "directory"] = Field(description="The kind of the artifact store.")
    artifact_directory: Folder | None = None
    s3_endpoint: Endpoint | None = Field(default=None, description="host:port")
    s3_bucket: BucketName = "fedface"
    s3_access_key: Token | None = None
    s3_secret_key: Secret | None = None
    s3_region: Region = "us-east-1"
    s3_secure: bool = False
    s3_ca_file: AuthoritiesFile | None = Field(
        default=None, description="The authorities that are trusted to sign the S3 server's; by default the machine's."
    )

    @model_validator(mode="after")
    def _authorities_are_for_tls_of_s3(self) -> Self:
        if self.s3_ca_file is not None and not (self.artifacts == "s3" and self.s3_secure):
            raise ValueError("FEDFACE_S3_CA_FILE is for TLS: set FEDFACE_S3_SECURE=true, or leave the file out")
        return self

    @model_validator(mode="after")
    def _artifact_store_is_complete(self) -> Self:
        needed = (
            ["artifact_directory"] if self.artifacts == "directory" else ["s3_endpoint", "s3_access_key", "s3_secret_key"]
        )
        missing = [f"FEDFACE_{name.upper()}" for name in needed if getattr(self, name) is None]
        if missing:
            raise ValueError(f"with FEDFACE_ARTIFACTS={self.artifacts}, also set {', '.join(missing)}")
        return self
