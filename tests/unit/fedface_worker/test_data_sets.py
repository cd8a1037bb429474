"""A process opens and lists each data set once, and looks again at one that it has refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fedface_core.adapters.memory import MemoryArtifacts
from fedface_core.contracts import object_keys
from fedface_core.domain.data_error import DataError
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import Round, open_round
from fedface_core.ports import ArtifactStore
from fedface_learning.data import ANYWHERE
from fedface_learning.formats.codec import sha256_hex
from fedface_worker.data_sets import DataSets, list_identities_now
from support.control_rounds import NOW, RUN
from support.tiny_run import tiny_plan, write_faces


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return tiny_plan(write_faces(tmp_path / "faces"))


@pytest.fixture
def artifacts() -> ArtifactStore:
    return MemoryArtifacts()


def a_round(plan: Plan, artifacts: ArtifactStore) -> Round:
    """A round of a run that was prepared now."""
    listed = list_identities_now(plan, ANYWHERE)
    sha256 = sha256_hex(listed)
    artifacts.put(object_keys.identity_list(RUN, sha256), listed)
    return open_round(plan, RUN, 1, (client_id(0),), "a" * 64, NOW, identity_list_sha256=sha256)


def test_a_data_set_is_opened_once_for_all_clients_rounds_and_runs(
    plan: Plan, artifacts: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    current = a_round(plan, artifacts)
    other_run = current.model_copy(update={"run_id": "run-00000000beef", "number": 2})
    data_sets = DataSets(artifacts, 1 << 20, ANYWHERE)
    opened = data_sets.photographs(plan, current)
    shutil.rmtree(plan.data.folder or "")
    monkeypatch.setattr("fedface_worker.data_sets.identity_list", lambda _identities: pytest.fail("it is listed again"))
    for _ in range(3):
        assert data_sets.photographs(plan, current) is data_sets.photographs(plan, other_run) is opened


def test_a_refused_data_set_is_looked_at_again(plan: Plan, artifacts: ArtifactStore) -> None:
    current = a_round(plan, artifacts)
    stranger = Path(plan.data.folder or "") / "stranger"
    shutil.copytree(stranger.with_name("person-0"), stranger)
    data_sets = DataSets(artifacts, 1 << 20, ANYWHERE)
    for _ in range(2):
        with pytest.raises(DataError, match=r"^the data set has changed since the run was prepared: \+1 −0 people;"):
            data_sets.photographs(plan, current)
    shutil.rmtree(stranger)
    assert len(data_sets.photographs(plan, current).split.clients) == 4


def test_too_few_people_because_some_were_removed_is_a_change(plan: Plan, artifacts: ArtifactStore) -> None:
    current = a_round(plan, artifacts)
    for person in range(3):
        shutil.rmtree(Path(plan.data.folder or "") / f"person-{person}")
    with pytest.raises(DataError, match=r"\+0 −3 people"):
        DataSets(artifacts, 1 << 20, ANYWHERE).photographs(plan, current)


def test_a_damaged_list_gives_no_counts(plan: Plan, artifacts: ArtifactStore) -> None:
    current = a_round(plan, artifacts)
    artifacts.put(object_keys.identity_list(RUN, current.identity_list_sha256 or ""), b"damaged")
    shutil.rmtree(Path(plan.data.folder or "") / "person-0")
    with pytest.raises(DataError, match=r"\+\? −\? people"):
        DataSets(artifacts, 1 << 20, ANYWHERE).photographs(plan, current)


def test_a_round_without_a_list_takes_the_data_set_as_it_is(plan: Plan, artifacts: ArtifactStore) -> None:
    current = a_round(plan, artifacts).model_copy(update={"identity_list_sha256": None})
    shutil.rmtree(Path(plan.data.folder or "") / "person-0")
    assert len(DataSets(artifacts, 1 << 20, ANYWHERE).photographs(plan, current).dataset.identities) == 7


def test_no_more_images_are_kept_than_allowed(plan: Plan, artifacts: ArtifactStore) -> None:
    faces = DataSets(artifacts, 200, ANYWHERE).photographs(plan, a_round(plan, artifacts)).dataset
    kept, read_again = faces.identities[:2]  # two images of 8×8 bytes each: 128 bytes an identity
    assert faces.images(kept) is faces.images(kept)
    assert faces.images(read_again) is not faces.images(read_again)


def test_a_data_set_that_cannot_be_listed_is_invalid_input(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no folder"):
        list_identities_now(tiny_plan(tmp_path / "nowhere"), ANYWHERE)
    with pytest.raises(DataError, match="the data set has 8"):
        list_identities_now(tiny_plan(Path(plan.data.folder or ""), split={"clients": 7}), ANYWHERE)
