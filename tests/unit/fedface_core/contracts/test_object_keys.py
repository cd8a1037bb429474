"""The keys of artifacts: each is below its run, and names the kind of artifact."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedface_core.adapters.artifact_keys import check_key
from fedface_core.contracts import object_keys
from fedface_core.domain.ids import client_id
from fedface_core.signing.trailer import is_signed

RUN = "run-0123456789ab"
SHA = "0" * 64
DIGEST = "0" * 16

KINDS_OF_A_RUN = {
    object_keys.run(RUN): "run",
    object_keys.update(RUN, 3, client_id(1)): "update",
    object_keys.partial(RUN, 3, 0, DIGEST): "partial",
    object_keys.class_embeddings(RUN, SHA): "class_embedding",
    object_keys.row(RUN, SHA, client_id(1)): "row",
    object_keys.server_state(RUN, SHA): "server_state",
    object_keys.guidance(RUN, SHA): "guidance",
    object_keys.identity_list(RUN, SHA): "identity_list",
    object_keys.residual(RUN, 3, client_id(1), SHA): "residual",
    object_keys.aggregation(RUN, 3, DIGEST): "aggregation",
    object_keys.report(RUN, 3): "report",
    object_keys.manifest(RUN, 3): "manifest",
    object_keys.device(RUN, client_id(1)): "device",
    object_keys.journal(RUN, client_id(1), SHA): "journal",
    object_keys.key_bundle(RUN, 3, client_id(1)): "key_bundle",
    object_keys.received_shares(RUN, 3, 0, SHA, client_id(1)): "received_share",
    object_keys.roster(RUN, 3, 0, SHA): "roster",
    object_keys.accepted_set(RUN, 3, 0, SHA): "accepted_set",
    object_keys.signature(RUN, 3, client_id(1)): "signature",
    object_keys.revelation(RUN, 3, client_id(1)): "revelation",
}
OTHER_KINDS = {
    object_keys.model(SHA): "model",
    object_keys.upload(SHA): "upload",
    object_keys.claim(SHA, RUN): "claim",
    object_keys.EARLIER_RUNS: "claim",
}
NOT_OF_MASKS = {
    *("aggregation", "claim", "class_embedding", "guidance", "identity_list", "manifest", "model", "partial", "report"),
    *("residual", "row", "run", "server_state", "update", "upload", "device", "journal"),
}
KINDS = KINDS_OF_A_RUN | OTHER_KINDS


@pytest.mark.parametrize("key", KINDS)
def test_the_kind_of_an_artifact_follows_from_its_key(key: str) -> None:
    check_key(key)
    assert object_keys.kind(key) == KINDS[key]


def test_the_kinds_are_those_of_all_keys() -> None:
    assert sorted(object_keys.KINDS) == sorted({*KINDS.values()})


def test_a_runs_folder_holds_all_that_it_keeps_but_no_model_claim_or_upload() -> None:
    """The deletion of a run removes its folder."""
    folder = object_keys.run_folder(RUN)
    assert all(key.startswith(folder) for key in KINDS_OF_A_RUN)
    assert not any(key.startswith((folder, object_keys.RUNS)) for key in OTHER_KINDS)
    assert not object_keys.run("run-0123456789abc").startswith(folder), "of a run whose id begins alike"


def test_what_is_transient_of_a_round_are_its_updates_and_partials() -> None:
    prefixes = object_keys.transient_prefixes(RUN, 3)
    transient = {kind for key, kind in KINDS.items() if key.startswith(prefixes)}
    assert transient == {"update", "partial"}
    assert not object_keys.update(RUN, 30, client_id(1)).startswith(prefixes)


def test_what_is_of_masks_in_a_round_is_all_of_them_but_keys_and_journals_of_devices() -> None:
    prefixes = object_keys.prefixes_of_masks(RUN, 3)
    of_masks = {kind for key, kind in KINDS.items() if key.startswith(prefixes)}
    assert of_masks == {*object_keys.OF_MASKS} == {*object_keys.KINDS} - {*NOT_OF_MASKS}
    assert not object_keys.roster(RUN, 30, 0, SHA).startswith(prefixes)


@given(number=st.integers(1, 10_000), index=st.integers(0, 999_999))
def test_the_key_of_a_residual_names_its_round_and_client(number: int, index: int) -> None:
    key = object_keys.residual(RUN, number, client_id(index), SHA)
    assert key.startswith(object_keys.residuals(RUN))
    assert object_keys.parse_residual_key(key) == (number, client_id(index))


def test_the_keys_of_a_model_version_and_of_its_claims_name_it() -> None:
    assert object_keys.parse_model_key(object_keys.model(SHA)) == SHA
    claim = object_keys.claim(SHA, RUN)
    assert claim.startswith(object_keys.claims(SHA))
    assert object_keys.parse_claim_key(claim) == (SHA, RUN)
    assert not object_keys.EARLIER_RUNS.startswith(object_keys.claims("e" * 64))


def test_only_the_claims_of_runs_are_claims() -> None:
    assert [key for key in KINDS if object_keys.is_claim(key)] == [object_keys.claim(SHA, RUN)]
    assert not object_keys.is_claim(f"{object_keys.CLAIMS}{SHA}"), "a stray object"


@pytest.mark.parametrize(
    "key",
    [
        *("reports/a/b/c/d", "updates/a/b/c/d/e", f"runs/{RUN}/updates/x/y/z", f"runs/{RUN}/rounds/3/rows/a"),
        *(f"runs/{RUN}/rounds/x/updates/a", f"runs/{RUN}/rounds/3", f"runs/{RUN}", f"runs/{RUN}/models/{SHA}", "run.json"),
        *(f"runs/{RUN}/residuals/x/{client_id(1)}/{SHA}", f"models/{SHA}/more", "", "runs", f"models{SHA}"),
    ],
)
def test_a_key_of_another_shape_names_no_artifact(key: str) -> None:
    assert object_keys.kind(key) == object_keys.OTHER
    assert not is_signed(key)
