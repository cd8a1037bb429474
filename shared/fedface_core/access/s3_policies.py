"""What each identity may do in S3, as policies that MinIO, SeaweedFS and Amazon read, and SeaweedFS's file of identities."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fedface_core.access.artifact_kinds import PATTERNS, too_long
from fedface_core.access.permissions import Identity
from fedface_core.access.table import TABLE

Policy = dict[str, Any]


def policy(identity: Identity, bucket: str) -> Policy:
    """The policy of an identity that has a key in S3."""
    grant = TABLE[identity].store
    assert grant is not None, "an identity with a key has a grant"
    statements = [
        _allow(["s3:GetObject"], [_objects(bucket, PATTERNS[kind]) for kind in grant.reads]),
        # A large object is put in parts. Those of an upload that broke off are removed by the store, after a day.
        _allow(["s3:PutObject"], [_objects(bucket, PATTERNS[kind]) for kind in grant.puts]),
        _deny(["s3:PutObject"], [_objects(bucket, pattern) for kind in grant.puts for pattern in too_long(kind)]),
    ]
    if grant.lists_and_removes:
        statements.append(_allow(["s3:ListBucket"], [f"arn:aws:s3:::{bucket}"]))
        statements.append(_allow(["s3:DeleteObject"], [f"arn:aws:s3:::{bucket}/*"]))
    return {"Version": "2012-10-17", "Statement": statements}


def seaweedfs_identities(
    secrets: Mapping[Identity, str], bucket: str, root: tuple[str, str] | None = None
) -> dict[str, list[dict[str, Any]]]:
    """SeaweedFS's ``-s3.config``: each identity with its secret key and policy.

    ``root`` is the access key and the secret key of whoever makes the bucket, and may do everything; no service has it.
    """
    identities: list[dict[str, Any]] = [
        _identity(str(identity), str(identity), secret) | {"policyNames": [str(identity)]}
        for identity, secret in secrets.items()
    ]
    if root is not None:
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        identities.append(_identity("root", *root) | {"actions": actions})
    policies = [
        {"name": str(identity), "content": json.dumps(policy(identity, bucket), allow_nan=False)} for identity in secrets
    ]
    return {"identities": identities, "policies": policies}


def _identity(name: str, access_key: str, secret: str) -> dict[str, Any]:
    return {"name": name, "credentials": [{"accessKey": access_key, "secretKey": secret}]}


def _allow(actions: list[str], resources: list[str]) -> Policy:
    return {"Effect": "Allow", "Action": actions, "Resource": resources}


def _deny(actions: list[str], resources: list[str]) -> Policy:
    return {"Effect": "Deny", "Action": actions, "Resource": resources}


def _objects(bucket: str, pattern: str) -> str:
    return f"arn:aws:s3:::{bucket}/{pattern}"
