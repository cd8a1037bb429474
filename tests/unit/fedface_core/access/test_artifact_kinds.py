"""A key matches the pattern of its own kind, and of no other: else a right to one kind would be a right to another."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from fedface_core.access.artifact_kinds import PATTERNS, too_long
from fedface_core.contracts import object_keys

RUN = "run-0123456789ab"
SHA256 = "a" * 64
CLIENT = "client-000001"
KEYS = {
    "run": object_keys.run(RUN),
    "manifest": object_keys.manifest(RUN, 3),
    "update": object_keys.update(RUN, 3, CLIENT),
    "partial": object_keys.partial(RUN, 3, 0, SHA256),
    "aggregation": object_keys.aggregation(RUN, 3, SHA256),
    "report": object_keys.report(RUN, 3),
    "class_embedding": object_keys.class_embeddings(RUN, SHA256),
    "row": object_keys.row(RUN, SHA256, CLIENT),
    "residual": object_keys.residual(RUN, 3, CLIENT, SHA256),
    "identity_list": object_keys.identity_list(RUN, SHA256),
    "server_state": object_keys.server_state(RUN, SHA256),
    "guidance": object_keys.guidance(RUN, SHA256),
    "model": object_keys.model(SHA256),
    "claim": object_keys.claim(SHA256, RUN),
    "upload": object_keys.upload(SHA256),
    "device": object_keys.device(RUN, CLIENT),
    "journal": object_keys.journal(RUN, CLIENT, SHA256),
    "key_bundle": object_keys.key_bundle(RUN, 3, CLIENT),
    "received_share": object_keys.received_shares(RUN, 3, 0, SHA256, CLIENT),
    "roster": object_keys.roster(RUN, 3, 0, SHA256),
    "accepted_set": object_keys.accepted_set(RUN, 3, 0, SHA256),
    "signature": object_keys.signature(RUN, 3, CLIENT),
    "revelation": object_keys.revelation(RUN, 3, CLIENT),
}


def test_each_kind_of_artifact_has_a_pattern() -> None:
    assert {*KEYS} == {*object_keys.KINDS} == {*PATTERNS} - {"clock", "earlier_runs"}


@pytest.mark.parametrize("kind", KEYS)
def test_a_key_matches_the_pattern_of_its_kind_alone(kind: str) -> None:
    assert [other for other, pattern in PATTERNS.items() if fnmatchcase(KEYS[kind], pattern)] == [kind]
    assert object_keys.kind(KEYS[kind]) == kind


def test_the_mark_of_earlier_runs_is_no_claim() -> None:
    assert [kind for kind, pattern in PATTERNS.items() if fnmatchcase(object_keys.EARLIER_RUNS, pattern)] == ["earlier_runs"]


@pytest.mark.parametrize("denied", sorted({pattern for kind in PATTERNS for pattern in too_long(kind)}))
def test_no_key_of_ours_is_too_long(denied: str) -> None:
    assert [key for key in (*KEYS.values(), object_keys.EARLIER_RUNS) if fnmatchcase(key, denied)] == []


@pytest.mark.parametrize("kind", PATTERNS)
def test_a_key_with_a_part_too_many_is_too_long(kind: str) -> None:
    pattern = PATTERNS[kind]
    for star in (place for place, letter in enumerate(pattern) if letter == "*"):
        key = f"{pattern[:star]}1/2{pattern[star + 1 :]}".replace("*", "0")
        assert fnmatchcase(key, pattern), "S3 would take it for a key of this kind"
        assert any(fnmatchcase(key, denied) for denied in too_long(kind))
