"""The types of settings, each with its bounds. A message says what would be right, and never quotes what may be a secret."""

from __future__ import annotations

import ipaddress
import json
import os
import re
from base64 import b64decode
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from fedface_core.runtime.redis_url import check_redis_url, has_valid_port
from fedface_core.runtime.tls_files import check_authorities

_LONGEST_SECONDS: Final = 7 * 24 * 3600
_MOST_PROCESSES: Final = 1024
_MOST_FOLDERS: Final = 64
_MOST_URLS: Final = 10
_LONGEST_URL: Final = 2000

_ENDPOINT_FORM: Final = "give host:port, such as minio:9000"
# Lower-case letters, digits, hyphens and dots; no label begins or ends with a hyphen.
_BUCKET_NAME: Final = re.compile(r"(?=.{3,63}$)[a-z0-9]+(-+[a-z0-9]+)*(\.[a-z0-9]+(-+[a-z0-9]+)*)*")
_REGION: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")
_HOST: Final = re.compile(r"[A-Za-z0-9._:%-]{1,253}")


def check_endpoint(endpoint: str) -> None:
    """Raise `ValueError` unless the endpoint of an S3 server is ``host:port`` or a host."""
    if "://" in endpoint:
        raise ValueError(f"begins with a scheme: {_ENDPOINT_FORM}; FEDFACE_S3_SECURE=true is for https")
    try:
        parts = urlsplit(f"//{endpoint}")
    except ValueError:  # a single bracket
        raise ValueError(f"is no address: {_ENDPOINT_FORM}") from None
    if "@" in endpoint:
        raise ValueError(f"has credentials: {_ENDPOINT_FORM}; they go to FEDFACE_S3_ACCESS_KEY and FEDFACE_S3_SECRET_KEY")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(f"has more than host and port: {_ENDPOINT_FORM}; FEDFACE_S3_BUCKET names the bucket")
    if not parts.hostname or not _HOST.fullmatch(parts.hostname):
        raise ValueError(f"names no host: {_ENDPOINT_FORM}")
    if not has_valid_port(parts):
        raise ValueError(f"has a port that is not a number from 1 to 65535: {_ENDPOINT_FORM}")


def check_bucket_name(name: str) -> None:
    """Raise `ValueError` unless S3 allows the name for a bucket."""
    if not _BUCKET_NAME.fullmatch(name) or _is_ip_address(name):
        raise ValueError(
            f"is {name!r:.80}: the name of a bucket has 3 to 63 lower-case letters, digits, hyphens and dots, each part "
            "between dots begins and ends with a letter or a digit, and it is no IP address"
        )


def _check_region(region: str) -> None:
    if not _REGION.fullmatch(region):
        raise ValueError(f"is {region!r:.80}: give a region such as us-east-1")


def _check_host(host: str) -> None:
    if not _HOST.fullmatch(host):
        raise ValueError(f"is {host!r:.80}: give a host name or an IP address, without scheme and port")


def _check_token(text: str) -> None:
    if not text or not text.isascii() or _has_blanks(text):
        raise ValueError("is empty, or has white space or other characters than those of ASCII")


def _check_secret(secret: str) -> None:
    if not secret or secret != secret.strip() or not secret.isprintable():
        raise ValueError(
            "is empty, has white space at an end (such as the carriage return of a file from Windows), or has control "
            "characters"
        )


def _has_blanks(text: str) -> bool:
    return any(character.isspace() or not character.isprintable() for character in text)


def _is_ip_address(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def none_if_empty(value: Any) -> Any:
    """None for an empty text, as compose gives a variable that .env leaves out."""
    return None if value == "" else value


def _refuse_empty(value: Any) -> Any:
    if value == "":
        raise ValueError("is empty: give the path of a directory")
    return value


def _split_folders(value: Any) -> Any:
    """The paths in a text: a JSON list, or paths with the system's separator between them."""
    if not isinstance(value, str):
        return value
    if not value.lstrip().startswith("["):
        return value.split(os.pathsep) if value else ()
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError(f"is no list: give paths with {os.pathsep!r} between them, or a JSON list of paths") from None


def _check_folders(folders: tuple[Path, ...]) -> None:
    if not all(folder.is_absolute() for folder in folders):
        raise ValueError("has a path that is empty or relative: each must begin with '/'")


def _refuse_no_file(value: Any) -> Any:
    if value == "":
        raise ValueError("is empty: give the path of a file, or leave the setting out")
    return value


def _split_urls(value: Any) -> Any:
    """The URLs in a text, with white space or commas between them."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def _check_urls(urls: tuple[str, ...]) -> None:
    for url in urls:
        try:
            parts = urlsplit(url)
        except ValueError:
            raise ValueError("has a URL that is none: each is https://host/path") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or not has_valid_port(parts):
            raise ValueError("has a URL that is none: each is https://host/path, with commas between them")
        if parts.username is not None or parts.password is not None:
            raise ValueError("has a URL with credentials, which would be shown in logs: leave them out")
        if parts.fragment or len(url) > _LONGEST_URL or not url.isascii():
            raise ValueError(f"has a URL with a fragment, of above {_LONGEST_URL} characters, or not in ASCII")


def _check_one_url(url: str) -> str:
    _check_urls((url,))
    return url


def _check_webhook_secret(secret: str) -> None:
    try:
        length = len(b64decode(secret.removeprefix("whsec_"), validate=True))
    except ValueError:
        length = 0
    if not 24 <= length <= 64:
        raise ValueError("is no secret of webhooks: whsec_ and 24 to 64 random bytes in base64 (openssl rand -base64 32)")


def _checked(check: Any) -> AfterValidator:
    """A validator that applies a check to a text or to a secret."""

    def validate(value: Any) -> Any:
        check(value.get_secret_value() if isinstance(value, SecretStr) else value)
        return value

    return AfterValidator(validate)


RedisUrl = Annotated[SecretStr, _checked(check_redis_url)]
Secret = Annotated[SecretStr, _checked(_check_secret)]
Token = Annotated[str, _checked(_check_token)]
Endpoint = Annotated[str, _checked(check_endpoint)]
BucketName = Annotated[str, _checked(check_bucket_name)]
Region = Annotated[str, _checked(_check_region)]
Host = Annotated[str, _checked(_check_host)]
Port = Annotated[int, Field(ge=0, le=65535)]
Count = Annotated[int, Field(gt=0, le=_MOST_PROCESSES)]
Amount = Annotated[int, Field(gt=0, le=10**18)]
# An empty path would be the folder in which the service was started.
Folder = Annotated[Path, BeforeValidator(_refuse_empty)]
# Without NoDecode, a text from the environment would have to be JSON.
Folders = Annotated[
    tuple[Path, ...],
    NoDecode,
    BeforeValidator(_split_folders),
    Field(max_length=_MOST_FOLDERS),
    _checked(_check_folders),
]
File = Annotated[Path, BeforeValidator(_refuse_no_file)]
Url = Annotated[str, AfterValidator(_check_one_url)]
# Without NoDecode, a text from the environment would have to be JSON.
Urls = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(_split_urls), Field(max_length=_MOST_URLS), _checked(_check_urls)
]
WebhookSecret = Annotated[SecretStr, _checked(_check_webhook_secret)]
AuthoritiesFile = Annotated[Path, BeforeValidator(_refuse_no_file), _checked(check_authorities)]
Seconds = Annotated[float, Field(ge=0.01, le=_LONGEST_SECONDS, allow_inf_nan=False)]
WholeSeconds = Annotated[int, Field(gt=0, le=_LONGEST_SECONDS)]
