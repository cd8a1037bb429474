"""Each identity sends whatever S3 has: other buckets, settings, users, copies, odd paths. The server refuses all of it."""

from __future__ import annotations

from itertools import product

import pytest

from fedface_core.access.artifact_kinds import PATTERNS, too_long
from fedface_core.access.permissions import Identity
from fedface_core.access.table import TABLE
from fedface_stack.embedded_servers import HOST
from support.guarded_servers import BUCKET, OPERATOR, Store, grant_of, secret_of
from support.raw_s3 import RawS3

WITH_KEY = [identity for identity in Identity if TABLE[identity].store is not None]
KEYS = {kind: pattern.replace("*", "0") for kind, pattern in PATTERNS.items()}
TOO_LONG = sorted({pattern.replace("*", "0") for kind in PATTERNS for pattern in too_long(kind)})

SETTINGS_OF_A_BUCKET = (
    *("policy", "acl", "lifecycle", "cors", "versioning", "tagging", "encryption", "object-lock", "ownershipControls"),
    *("publicAccessBlock", "notification", "website", "logging", "replication", "requestPayment"),
)
SETTINGS_OF_AN_OBJECT = ("acl", "tagging", "retention", "legal-hold", "uploadId=1", "partNumber=1&uploadId=1")
IAM = "2010-05-08"
STS = "2011-06-15"
LISTS_OF_USERS = tuple(
    f"Action={action}&Version={IAM}"
    for action in ("ListUsers", "ListPolicies", "GetUser&UserName={other}", "ListAccessKeys&UserName={other}")
)
USERS = (
    *LISTS_OF_USERS,
    *(
        f"Action={action}&Version={IAM}"
        for action in (
            *("CreateUser&UserName=evil", "DeleteUser&UserName=control", "CreateAccessKey&UserName=operator"),
            "PutUserPolicy&UserName={me}&PolicyName=all&PolicyDocument=%7B%22Statement%22%3A%5B%5D%7D",
            "AttachUserPolicy&UserName={me}&PolicyArn=arn%3Aaws%3Aiam%3A%3A%3Apolicy%2Fcontrol",
        )
    ),
    f"Action=AssumeRole&Version={STS}&RoleArn=arn%3Aaws%3Aiam%3A%3A%3Arole%2Foperator&RoleSessionName=evil",
)
STEPS_UP = ("..", "%2e%2e", "..%2f..", "./..", "%5c..", "..%00")


def raw(store: Store, identity: Identity) -> RawS3:
    return RawS3(f"{HOST}:{store.ports[3]}", str(identity), secret_of(identity))


def put_all(store: Store) -> None:
    """One object of each kind, which says what it is."""
    for kind, key in KEYS.items():
        store.operator().put(key, kind.encode())


def as_stored(store: Store) -> dict[str, bytes]:
    return {kind: store.operator().get(key) for kind, key in KEYS.items()}


UNTOUCHED = {kind: kind.encode() for kind in KEYS}


@pytest.mark.parametrize("identity", WITH_KEY)
def test_the_same_requests_do_what_is_allowed(store: Store, identity: Identity) -> None:
    """Else all that follows would be refused for its form."""
    put_all(store)
    own = raw(store, identity)
    for kind in grant_of(identity).reads:
        assert own.send("GET", f"/{BUCKET}/{KEYS[kind]}").body == kind
    for kind in grant_of(identity).puts:
        assert own.send("PUT", f"/{BUCKET}/{KEYS[kind]}", b"put").status == 200
        assert store.operator().get(KEYS[kind]) == b"put"


@pytest.mark.parametrize("identity", WITH_KEY)
def test_a_right_to_put_one_kind_is_no_right_to_put_below_another(store: Store, identity: Identity) -> None:
    """A client worker put an update below the key of a manifest: in a store of folders, a folder in the manifest's place."""
    own = raw(store, identity)
    put = [key for key in TOO_LONG if own.send("PUT", f"/{BUCKET}/{key}", b"folder").status != 403]
    assert put == []


@pytest.mark.parametrize("identity", WITH_KEY)
def test_nobody_changes_the_settings_of_the_bucket(store: Store, identity: Identity) -> None:
    """Who may list may also read one of them, by which nothing is logged."""
    own = raw(store, identity)
    methods = ("PUT", "DELETE") if grant_of(identity).lists_and_removes else ("GET", "PUT", "DELETE")
    sent = [(method, f"/{BUCKET}?{setting}=") for method, setting in product(methods, SETTINGS_OF_A_BUCKET)]
    sent += [("PUT", "/another-bucket"), ("DELETE", f"/{BUCKET}"), ("DELETE", "/another-bucket"), ("GET", "/another-bucket")]
    assert [request for request in sent if own.send(*request, b"").status not in (403, 404, 405)] == []
    assert "another-bucket" not in own.send("GET", "/").body


@pytest.mark.parametrize("identity", WITH_KEY)
def test_nobody_makes_users_or_gives_itself_rights(store: Store, identity: Identity) -> None:
    """A question of this form is answered, if the operator asks. Changes nobody makes over the network."""
    own = raw(store, identity)
    form = {"content-type": "application/x-www-form-urlencoded"}
    operator = RawS3(own.endpoint, "operator", OPERATOR)
    other = next(one for one in WITH_KEY if one is not identity)
    for question in LISTS_OF_USERS:
        assert operator.send("POST", "/", question.format(other=other).encode(), form).status == 200, question
    for action in USERS:
        body = action.format(me=identity, other=other).encode()
        assert own.send("POST", "/", body, form).status == 403, action
        assert own.send_unsigned("POST", "/", body, form).status in (400, 403), action


@pytest.mark.parametrize("identity", WITH_KEY)
def test_a_copy_reads_nothing_that_may_not_be_read(store: Store, identity: Identity) -> None:
    """In one request, and as a part of an upload in parts."""
    put_all(store)
    own = raw(store, identity)
    readable = {KEYS[kind] for kind in grant_of(identity).reads}
    target = f"/{BUCKET}/{KEYS[grant_of(identity).puts[0]]}"
    begun = own.send("POST", f"{target}?uploads=").body
    upload = begun.partition("<UploadId>")[2].partition("</UploadId>")[0]
    assert upload
    for key in KEYS.values():
        if key in readable:
            continue
        source = {"x-amz-copy-source": f"/{BUCKET}/{key}"}
        assert own.send("PUT", target, b"", source).status == 403, key
        assert own.send("PUT", f"{target}?partNumber=1&uploadId={upload}", b"", source).status == 403, key
    assert own.send("DELETE", f"{target}?uploadId={upload}").status in (204, 403)
    assert as_stored(store) == UNTOUCHED


@pytest.mark.parametrize("identity", WITH_KEY)
def test_no_step_up_in_a_path_leads_to_another_kind(store: Store, identity: Identity) -> None:
    put_all(store)
    own = raw(store, identity)
    grant = grant_of(identity)
    for step, name in product(STEPS_UP, ("run.json", "rounds/0/manifest.json", "class_embeddings/0")):
        for kind, method in ((grant.reads[0], "GET"), (grant.puts[0], "PUT")):
            folder = KEYS[kind].rpartition("/")[0]
            for ups in range(1, 5):
                path = f"/{BUCKET}/{folder}/{'/'.join([step] * ups)}/{name}"
                answer = own.send(method, path, b"" if method == "GET" else b"forged")
                assert answer.status >= 400, (method, path, answer)
    assert as_stored(store) == UNTOUCHED


@pytest.mark.parametrize("identity", [identity for identity in WITH_KEY if not grant_of(identity).lists_and_removes])
def test_who_may_not_remove_does_not_remove_by_other_requests(store: Store, identity: Identity) -> None:
    put_all(store)
    own = raw(store, identity)
    objects = "".join(f"<Object><Key>{key}</Key></Object>" for key in KEYS.values())
    answer = own.send("POST", f"/{BUCKET}?delete=", f"<Delete>{objects}</Delete>".encode())
    assert "<Deleted>" not in answer.body
    for setting, key in product(SETTINGS_OF_AN_OBJECT, KEYS.values()):
        assert own.send("DELETE", f"/{BUCKET}/{key}?{setting}").status >= 400
    for listing in ("list-type=2", "versions=", "uploads=", "prefix=runs", f"list-type=2&prefix={KEYS['update']}"):
        assert own.send("GET", f"/{BUCKET}?{listing}").status == 403
    assert as_stored(store) == UNTOUCHED


@pytest.mark.parametrize("identity", WITH_KEY)
def test_what_an_object_is_called_says_nothing_to_who_may_not_read_it(store: Store, identity: Identity) -> None:
    """Not even whether it is there, and how large."""
    own = raw(store, identity)
    queries = ("", *(f"?{setting}" for setting in SETTINGS_OF_AN_OBJECT), "?attributes=")
    asked = sorted(product(KEYS.keys() - {*grant_of(identity).reads}, queries, ("HEAD", "GET")))

    def answers() -> dict[tuple[str, str, str], int]:
        return {
            (kind, query, method): own.send(method, f"/{BUCKET}/{KEYS[kind]}{query}").status for kind, query, method in asked
        }

    put_all(store)
    there = answers()
    for key in KEYS.values():
        store.operator().delete(key)
    assert answers() == there
    # Who may put parts of an upload may list them, and hears that there is no such upload.
    of_uploads = {one for one in asked if one[0] in grant_of(identity).puts and "uploadId" in one[1] and one[2] == "GET"}
    assert {one for one, status in there.items() if status != 403} <= of_uploads
    assert {there[one] for one in of_uploads} <= {403, 404}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "POST"])
def test_who_has_no_key_gets_nothing(store: Store, method: str) -> None:
    put_all(store)
    own = raw(store, Identity.CLIENT)
    names_and_secrets = (("client", OPERATOR), ("operator", own.secret), ("control", own.secret), ("metrics", "none"))
    strangers = [RawS3(own.endpoint, name, secret) for name, secret in names_and_secrets]
    for path in (f"/{BUCKET}?list-type=2", f"/{BUCKET}", *(f"/{BUCKET}/{key}" for key in KEYS.values())):
        assert own.send_unsigned(method, path, b"forged").status >= 400
        for stranger in strangers:
            assert stranger.send(method, path, b"forged").status >= 400
    for path in ("/metrics", "/debug/pprof/", "/iceberg/v1/config", "/ui", "/admin"):
        assert own.send_unsigned(method, path).status >= 400
    assert as_stored(store) == UNTOUCHED
