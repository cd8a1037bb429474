"""The artifact store in an S3 server, by plain S3 calls only (ADR 3). In S3 an object is visible only once it is whole."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from minio import Minio
from minio.credentials.credentials import Credentials
from minio.datatypes import Object
from minio.deleteobjects import DeleteObject
from minio.error import InvalidResponseError, MinioException, S3Error
from minio.signer import sign_v4_s3
from urllib3 import BaseHTTPResponse, PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError, MaxRetryError, ResponseError, SSLError

from fedface_core.adapters.artifact_keys import check_key, check_page, check_prefix, check_range, range_past_end
from fedface_core.adapters.put_at_once import put_at_once
from fedface_core.domain.certificate_problems import certificate_problem
from fedface_core.domain.credentials import mask_url
from fedface_core.domain.errors import ArtifactMissingError, FedFaceError, InvalidInputError, UnavailableError
from fedface_core.ports import StoredObject

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
RETRIES = 4
READ_RETRIES = 1  # fewer than RETRIES, since each may take READ_SECONDS
CONNECTIONS = 10
PUTS_AT_ONCE = 8  # at most `CONNECTIONS`, so that no connection is closed after its request
SENT_AT_ONCE_BYTES = 2**20  # these have to be on their way within `CONNECT_SECONDS`
CHUNK_BYTES = 2**18  # what `read_into` reads at a time; it needs this much memory besides the caller's buffer

_TO_THE_END = 0
_UNSIGNED: Final = "UNSIGNED-PAYLOAD"  # the signature is one of the headers, not of the body
_NO_OBJECT = "clock"  # nobody puts an object with this key: it is asked for only to see the date of the answer

# The server's error code → what is wrong, and which of our settings to correct.
_WRONG_SETTING = {
    "NoSuchBucket": "there is no bucket '{bucket}'; correct FEDFACE_S3_BUCKET or create the bucket",
    "InvalidBucketName": "'{bucket}' is no valid bucket name; correct FEDFACE_S3_BUCKET",
    "InvalidAccessKeyId": "it does not know the access key; correct FEDFACE_S3_ACCESS_KEY",
    "SignatureDoesNotMatch": "it refuses the signature; correct FEDFACE_S3_SECRET_KEY",
    "AccessDenied": "it denies access to bucket '{bucket}'; correct FEDFACE_S3_ACCESS_KEY and FEDFACE_S3_SECRET_KEY "
    "or the key's policy",
    "AuthorizationHeaderMalformed": "it expects another region; correct FEDFACE_S3_REGION",
    "XMinioStorageFull": "its disk is full; free some space or give it more",
    "XMinioAdminBucketQuotaExceeded": "the quota of bucket '{bucket}' is used up; raise it or free some space",
    "RequestTimeTooSkewed": "its clock and ours differ too much; set both by NTP",
}


class S3Artifacts:
    """`ArtifactStore` in one bucket of the S3 server at ``endpoint``, which is ``host:port``.

    With ``secure`` it speaks TLS, and the server's certificate must be signed by one of the ``authorities``, a file in PEM
    form, or else by one that the machine trusts. Waits are bounded. Requests with transient errors are repeated after
    growing waits. Proxies of the environment are not used. `InvalidInputError` if ``endpoint`` is not of that form; its
    message hides credentials.
    """

    def __init__(
        self,
        endpoint: str,
        bucket: str,
        access_key: str,
        secret_key: str,
        *,
        region: str = "us-east-1",
        secure: bool = False,
        authorities: Path | None = None,
    ) -> None:
        self._server = f"the S3 server at {mask_url(endpoint)}"
        self._bucket = bucket
        self._region = region
        self._credentials = Credentials(access_key, secret_key)
        self._connections = _connections(PoolManager, authorities)
        connect = partial(Minio, endpoint, region=region, secure=secure)
        with_keys = partial(connect, access_key=access_key, secret_key=secret_key)
        try:
            self._client = with_keys(http_client=self._connections)
            self._client_of_new = with_keys(http_client=_connections(_OnlyNewObjects, authorities))
            self._client_of_urls = connect(http_client=self._connections)
        except ValueError as error:
            raise InvalidInputError(
                f"FEDFACE_S3_ENDPOINT must be host:port, such as minio:9000; it is {mask_url(endpoint)!r}: {error}"
            ) from error

    def put(self, key: str, *data: bytes | memoryview, sha256: str | None = None) -> None:  # noqa: ARG002 - no body is signed
        """Store an object, or replace it, in one request: an interrupted put leaves nothing.

        The client would join the parts, and hash the body to sign it (or, over TLS, for a header of MD5). This request is
        signed without its body. Over HTTP it is left to whoever reads the object to notice a damaged one, by its signature
        or its SHA-256 (ADR 13).
        """
        check_key(key)
        url = self._client_of_urls.get_presigned_url("PUT", self._bucket, key)  # a plain URL: this client has no keys
        headers = self._put_headers(url, sum(map(len, data)))
        with self._translated_errors(key):
            answer = self._connections.urlopen("PUT", url, body=_pieces(data), headers=headers)
            if answer.status != 200:
                raise _refusal(answer)

    def put_once(self, key: str, *data: bytes | memoryview) -> bool:
        """Store an object if there is none under the key; returns whether this call has stored it.

        By ``If-None-Match: *``, which Amazon's S3, MinIO and SeaweedFS know. In SeaweedFS 4.16 several calls at once could
        all store their objects (its issue 8800).
        """
        check_key(key)
        body = b"".join(data)
        with self._translated_errors(key):
            try:
                self._client_of_new.put_object(self._bucket, key, io.BytesIO(body), len(body))
            except S3Error as error:
                if error.code != "PreconditionFailed":
                    raise
                return False
        return True

    def put_all(self, objects: Mapping[str, Sequence[bytes | memoryview]]) -> None:
        """Store many objects, `PUTS_AT_ONCE` at a time: each is a request of its own, which mostly waits for the server."""
        put_at_once(self.put, objects, PUTS_AT_ONCE)

    def get(self, key: str) -> bytes:
        """The whole object."""
        check_key(key)
        return self._read(key, 0, _TO_THE_END)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """``length`` bytes of the object from byte ``start`` on; fewer if the object ends before."""
        check_key(key)
        check_range(key, start, length)
        return self._read(key, start, length)

    def read_into(self, key: str, start: int, buffer: bytearray | memoryview) -> int:
        """Copy the object's bytes from byte ``start`` on into ``buffer``, until the buffer is full or the object ends."""
        check_key(key)
        check_range(key, start, len(buffer))
        with self._translated_errors(key, start):
            try:
                response = self._client.get_object(self._bucket, key, offset=start, length=len(buffer))
            except S3Error as error:
                if error.code != "InvalidRange":
                    raise
                return self.size(key)  # the object is empty, or ends before ``start``
            try:
                unfilled = memoryview(buffer)
                # Each chunk is copied into the buffer as it arrives. `response.data` would join a list of all chunks.
                for chunk in response.stream(CHUNK_BYTES, decode_content=False):
                    unfilled[: len(chunk)] = chunk
                    unfilled = unfilled[len(chunk) :]
                return int(response.headers["Content-Range"].rpartition("/")[2])
            finally:
                response.close()
                response.release_conn()

    def size(self, key: str) -> int:
        """The object's size in bytes; the object is not read."""
        check_key(key)
        with self._translated_errors(key):
            size = self._client.stat_object(self._bucket, key).size
        assert size is not None, "the answer to a stat has the size"
        return size

    def keys(self, prefix: str) -> Sequence[str]:
        """All keys that start with ``prefix``, sorted."""
        check_prefix(prefix)
        with self._translated_errors():
            found = [item.object_name for item in self._client.list_objects(self._bucket, prefix=prefix, recursive=True)]
        return sorted(name for name in found if name is not None)

    def page(self, prefix: str, after: str, limit: int) -> Sequence[StoredObject]:
        """The first ``limit`` objects with this ``prefix`` that come after the key ``after``, if it is not empty.

        One request lists up to a thousand objects. Amazon orders keys by their bytes; that is the order by segments unless
        one name in a folder begins with another.
        """
        check_page(prefix, after, limit)
        with self._translated_errors():
            listed = self._client.list_objects(self._bucket, prefix=prefix, recursive=True, start_after=after or None)
            return [_stored_object(item) for item in islice(listed, limit)]

    def now(self) -> datetime:
        """The time of the store's clock, by which objects are dated: the date of an answer."""
        with self._translated_errors():
            try:
                headers = self._client.stat_object(self._bucket, _NO_OBJECT).metadata
            except S3Error as error:
                if error.code != "NoSuchKey":
                    raise
                headers = error.response.headers
        date = None if headers is None else headers.get("Date")
        if date is None:
            raise UnavailableError(f"{self._server} does not say what time it is: its answers have no header Date")
        return parsedate_to_datetime(date)

    def delete(self, key: str) -> None:
        """Remove the object."""
        check_key(key)
        with self._translated_errors(key):
            self._client.remove_object(self._bucket, key)

    def delete_all(self, keys: Sequence[str]) -> None:
        """Remove many objects, in few requests if the store allows it. One request removes up to a thousand objects."""
        for key in keys:
            check_key(key)
        with self._translated_errors():
            refused = list(self._client.remove_objects(self._bucket, map(DeleteObject, keys)))
        if refused:
            raise UnavailableError(f"{self._server} did not remove {refused[0].name}: {refused[0].message}")

    def ping(self) -> None:
        """Check that the store answers and accepts our credentials. It lists keys, since only an answer with a body says
        what is wrong.
        """
        self.keys("ping")

    def ensure_bucket(self) -> None:
        """Create the bucket if it is missing, as in a new deployment. `UnavailableError` if it cannot be created."""
        with self._translated_errors():
            if self._client.bucket_exists(self._bucket):
                return
            try:
                self._client.make_bucket(self._bucket)
            except S3Error as error:
                # These codes mean that another process has created the bucket meanwhile.
                if error.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                    raise

    def _put_headers(self, url: str, size: int) -> dict[str, str]:
        """The headers of the request that puts ``size`` bytes at ``url``, with their signature."""
        now = datetime.now(UTC)
        parts = urlsplit(url)
        signed = sign_v4_s3(
            method="PUT",
            url=parts,
            region=self._region,
            headers={
                "Host": parts.netloc,
                "Content-Length": str(size),
                "Content-Type": "application/octet-stream",
                "x-amz-content-sha256": _UNSIGNED,
                "x-amz-date": now.strftime("%Y%m%dT%H%M%SZ"),
            },
            credentials=self._credentials,
            content_sha256=_UNSIGNED,
            date=now,
        )
        return {name: str(value) for name, value in signed.items()}

    def _read(self, key: str, start: int, length: int) -> bytes:
        with self._translated_errors(key, start):
            response = self._client.get_object(self._bucket, key, offset=start, length=length)
            try:
                return response.data
            finally:
                response.release_conn()

    @contextmanager
    def _translated_errors(self, key: str = "", start: int = 0) -> Iterator[None]:
        """Translate the client's errors into ours; they name the ``key``, the ``start`` of a range, or the wrong setting."""
        try:
            yield
        except S3Error as error:
            raise self._translated(error, key, start) from error
        except HTTPError as error:
            cause = error.reason if isinstance(error, MaxRetryError) else error
            if isinstance(cause, ResponseError):  # each answer had the status 500 or above
                raise UnavailableError(
                    f"{self._server} fails ({cause}); see its log, and whether its disk is full"
                ) from error
            setting = "FEDFACE_S3_SECURE" if isinstance(cause, SSLError) else "FEDFACE_S3_ENDPOINT"
            remedy = certificate_problem(str(cause), "FEDFACE_S3_CA_FILE") or f"check that it runs, and {setting}"
            raise UnavailableError(f"{self._server} does not answer ({cause}); {remedy}") from error
        except MinioException as error:
            raise UnavailableError(f"{self._server} does not speak S3 ({error}); check FEDFACE_S3_ENDPOINT") from error

    def _translated(self, error: S3Error, key: str, start: int) -> FedFaceError:
        if error.code == "NoSuchKey":
            return ArtifactMissingError(f"there is no artifact {key}")
        if error.code == "InvalidRange":
            return range_past_end(key, start)
        template = _WRONG_SETTING.get(str(error.code), "{code}: {message}")
        problem = template.format(bucket=self._bucket, code=error.code, message=error.message)
        return UnavailableError(f"{self._server} refuses us: {problem}")


class _OnlyNewObjects(PoolManager):
    """Connections by which an object is put only if there is none under its key: the client has no option for that."""

    def urlopen(self, method: str, url: str, redirect: bool = True, **options: Any) -> BaseHTTPResponse:  # type: ignore[override]
        """Send a request that the server carries out only if there is no such object."""
        headers = {**options.pop("headers", {}), "If-None-Match": "*"}
        return super().urlopen(method, url, redirect, headers=headers, **options)


def _connections(kind: type[PoolManager], authorities: Path | None) -> PoolManager:
    """Connections to the server, with bounded waits and repeated requests."""
    return kind(
        maxsize=CONNECTIONS,
        ca_certs=None if authorities is None else str(authorities),
        timeout=Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
        retries=Retry(
            total=RETRIES,
            read=READ_RETRIES,
            backoff_factor=0.2,
            backoff_jitter=0.1,
            status_forcelist=(500, 502, 503, 504),
        ),
    )


def _stored_object(item: Object) -> StoredObject:
    assert item.object_name is not None, "a listing has the key of each object"
    assert item.last_modified is not None, "a listing has the date of each object"
    return StoredObject(item.object_name, item.last_modified)


def _pieces(parts: Sequence[bytes | memoryview]) -> Sequence[memoryview]:
    """The parts of an object in pieces that are sent one after the other, and again if the request is repeated."""
    views = [memoryview(part) for part in parts]
    starts = [range(0, len(view), SENT_AT_ONCE_BYTES) for view in views]
    return [view[at : at + SENT_AT_ONCE_BYTES] for view, begins in zip(views, starts, strict=True) for at in begins]


def _refusal(answer: BaseHTTPResponse) -> MinioException:
    """What the server says in place of having stored an object."""
    kind = answer.headers.get("Content-Type", "")
    if "application/xml" in kind.split(";"):
        return S3Error.fromxml(answer)
    return InvalidResponseError(answer.status, kind, answer.data.decode(errors="replace"))
