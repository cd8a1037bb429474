"""Policies allow what the table grants, deny what S3 would take for it, and name no other bucket."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any

import pytest

from fedface_core.access.artifact_kinds import PATTERNS, too_long
from fedface_core.access.permissions import Identity
from fedface_core.access.s3_policies import policy, seaweedfs_identities
from fedface_core.access.secret_names import with_s3_key
from support.guarded_servers import grant_of

BUCKET = "faces-of-tests"
SECRETS = {identity: f"secret-of-{identity}" for identity in with_s3_key()}


def allows(identity: Identity, action: str, resource: str) -> bool:
    """Whether a server would: a deny beats an allow."""
    effects = [
        statement["Effect"]
        for statement in policy(identity, BUCKET)["Statement"]
        if action in statement["Action"] and any(fnmatchcase(resource, pattern) for pattern in statement["Resource"])
    ]
    return "Allow" in effects and "Deny" not in effects


@pytest.mark.parametrize("identity", with_s3_key())
def test_a_policy_allows_each_kind_of_the_grant_and_no_other(identity: Identity) -> None:
    keys = {kind: f"arn:aws:s3:::{BUCKET}/{pattern.replace('*', '0')}" for kind, pattern in PATTERNS.items()}
    assert {kind for kind, key in keys.items() if allows(identity, "s3:GetObject", key)} == {*grant_of(identity).reads}
    assert {kind for kind, key in keys.items() if allows(identity, "s3:PutObject", key)} == {*grant_of(identity).puts}


@pytest.mark.parametrize("identity", with_s3_key())
def test_a_policy_lets_nobody_put_below_another_key(identity: Identity) -> None:
    for kind in PATTERNS:
        for pattern in too_long(kind):
            assert not allows(identity, "s3:PutObject", f"arn:aws:s3:::{BUCKET}/{pattern.replace('*', '0')}")


@pytest.mark.parametrize("identity", with_s3_key())
def test_who_lists_and_removes_is_control(identity: Identity) -> None:
    may = identity in (Identity.CONTROL, Identity.SWEEP)
    assert allows(identity, "s3:ListBucket", f"arn:aws:s3:::{BUCKET}") is may
    assert allows(identity, "s3:DeleteObject", f"arn:aws:s3:::{BUCKET}/runs/0/rounds/0/updates/0") is may


@pytest.mark.parametrize("identity", with_s3_key())
def test_no_statement_is_about_another_bucket_or_every_action(identity: Identity) -> None:
    for statement in policy(identity, BUCKET)["Statement"]:
        assert statement["Resource"], "a statement about nothing is refused by Amazon"
        for resource in statement["Resource"]:
            assert resource == f"arn:aws:s3:::{BUCKET}" or resource.startswith(f"arn:aws:s3:::{BUCKET}/")
        assert {*statement["Action"]} <= {"s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:DeleteObject"}


def test_seaweedfs_gets_each_identity_with_its_secret_and_its_policy() -> None:
    made = seaweedfs_identities(SECRETS, BUCKET)
    by_name: dict[str, Any] = {one["name"]: one for one in made["identities"]}
    assert {*by_name} == {str(identity) for identity in SECRETS}
    for identity, secret in SECRETS.items():
        entry = by_name[identity]
        assert entry["credentials"] == [{"accessKey": str(identity), "secretKey": secret}]
        assert entry["policyNames"] == [str(identity)]
        assert "actions" not in entry, "an action would be allowed in every bucket"
    policies = {one["name"]: json.loads(one["content"]) for one in made["policies"]}
    assert policies == {str(identity): policy(identity, BUCKET) for identity in SECRETS}


def test_who_makes_the_bucket_may_do_everything_and_is_no_service() -> None:
    made = seaweedfs_identities(SECRETS, BUCKET, ("root-key", "root-secret"))
    (root,) = [one for one in made["identities"] if "actions" in one]
    assert root["credentials"] == [{"accessKey": "root-key", "secretKey": "root-secret"}]
    assert "root-key" not in {str(identity) for identity in Identity}
