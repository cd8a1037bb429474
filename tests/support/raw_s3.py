"""Requests of S3 as an attacker makes them: signed with an identity's own secret, and of any form that HTTP can carry."""

from __future__ import annotations

import http.client
from base64 import b64encode
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import md5, sha256
from urllib.parse import urlsplit

from minio.credentials.credentials import Credentials
from minio.signer import sign_v4_s3

REGION = "us-east-1"


@dataclass(frozen=True)
class Answer:
    """The status and the body of an answer."""

    status: int
    body: str


@dataclass(frozen=True)
class RawS3:
    """Sends requests to the S3 server at ``endpoint``, signed with these keys. No path is made tidy on the way."""

    endpoint: str
    access_key: str
    secret: str

    def send(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """Send one request; ``path`` may have a query."""
        now = datetime.now(UTC)
        digest = sha256(body).hexdigest()
        sent: dict[str, str | list[str] | tuple[str]] = {
            "Host": self.endpoint,
            "x-amz-date": now.strftime("%Y%m%dT%H%M%SZ"),
            "x-amz-content-sha256": digest,
            "content-md5": b64encode(md5(body, usedforsecurity=False).digest()).decode(),
            **(headers or {}),
        }
        signed = sign_v4_s3(
            method=method,
            url=urlsplit(f"http://{self.endpoint}{path}"),
            region=REGION,
            headers=sent,
            credentials=Credentials(self.access_key, self.secret),
            content_sha256=digest,
            date=now,
        )
        return self.send_unsigned(method, path, body, {name: str(value) for name, value in signed.items()})

    def send_unsigned(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """Send one request as it is."""
        with closing(http.client.HTTPConnection(self.endpoint, timeout=10)) as connection:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, answer.read().decode(errors="replace"))
