"""Models through the API: a run's newest down, one's own up."""

from __future__ import annotations

import errno
import hashlib
import io

import numpy as np
import pytest
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry
from safetensors.numpy import save

from fedface_control.api.app import create_app
from fedface_control.api.capacity import ApiCapacity
from fedface_control.api.routes.models import Uploads
from fedface_core.adapters.memory import MemoryArtifacts
from fedface_core.contracts import object_keys
from fedface_core.contracts.http import MODEL_SHA256_HEADER
from support.in_process import InProcess
from support.open_sign_in import open_sign_in
from support.problem_details import problem

# Whether the tensors fit a plan is found out when a run starts.
MODEL = save({"weight": np.zeros(2, np.float32)})
SHA256 = hashlib.sha256(MODEL).hexdigest()


def test_the_newest_model_comes_with_its_hash(api: TestClient, services: InProcess) -> None:
    run = services.run()
    response = api.get(f"/v1/runs/{run.id}/model")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers[MODEL_SHA256_HEADER] == run.model_sha256 == hashlib.sha256(response.content).hexdigest()
    assert response.headers["etag"] == f'"{run.model_sha256}"'
    assert f"{run.id}.safetensors" in response.headers["content-disposition"]


def test_before_round_0_there_is_no_model(api: TestClient, services: InProcess) -> None:
    run_id = services.start()
    response = api.get(f"/v1/runs/{run_id}/model")
    assert response.status_code == 409
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"].startswith(f"{run_id} is preparing and has no model version yet")


def test_a_model_is_stored_under_its_hash(api: TestClient, services: InProcess) -> None:
    response = api.put(f"/v1/models/{SHA256}", content=MODEL)
    assert (response.status_code, response.json()) == (201, {"sha256": SHA256, "size": len(MODEL)})
    assert services.ports.artifacts.get(object_keys.model(SHA256)) == MODEL
    assert api.put(f"/v1/models/{SHA256}", content=MODEL).status_code == 201, "once more does no harm"


def test_a_model_with_another_hash_is_refused(api: TestClient, services: InProcess) -> None:
    response = api.put(f"/v1/models/{SHA256}", content=MODEL + b"!")
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    found = hashlib.sha256(MODEL + b"!").hexdigest()
    assert response.json()["detail"] == f"the path names the SHA-256 {SHA256}, but the bytes sent have {found}"
    assert services.ports.artifacts.keys("") == [object_keys.EARLIER_RUNS]


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b'[model]\narchitecture = "spherenet-20"\n', "it is a TOML document, such as a plan"),
        (bytes(range(255, -1, -1)) * 4, "it begins with"),
        (b"junk", "it begins with b'junk'"),
        (MODEL[:-1], "its tensors take 8 bytes, but 7 follow the header"),
        (b"", "it is an empty file"),
    ],
    ids=["TOML", "junk", "little junk", "cut short", "nothing"],
)
def test_what_is_not_safetensors_is_refused(api: TestClient, services: InProcess, data: bytes, complaint: str) -> None:
    response = api.put(f"/v1/models/{hashlib.sha256(data).hexdigest()}", content=data)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"].startswith(f"the model sent is not a safetensors file: {complaint}")
    assert services.ports.artifacts.keys("") == [object_keys.EARLIER_RUNS]


@pytest.mark.parametrize("wrong", ["abc", SHA256.upper(), SHA256 + "0"])
def test_a_path_that_names_no_hash_is_refused(api: TestClient, wrong: str) -> None:
    response = api.put(f"/v1/models/{wrong}", content=MODEL)
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "path.sha256"


@pytest.mark.parametrize("told", [True, False])
def test_a_model_that_is_too_large_is_refused_before_all_of_it_is_read(services: InProcess, told: bool) -> None:
    app = create_app(services.ports, CollectorRegistry(), open_sign_in(), ApiCapacity(model_bytes=len(MODEL) - 1))
    content = MODEL if told else iter([MODEL[:-1], MODEL[-1:]])
    with TestClient(app) as api:
        refused = problem(api.put(f"/v1/models/{SHA256}", content=content), 413, "Content Too Large")
    assert refused.detail.endswith(f"the body of this request has more than {len(MODEL) - 1:,} bytes")
    assert app.state.uploads.open == 0
    assert services.ports.artifacts.keys("") == [object_keys.EARLIER_RUNS]


def test_an_upload_too_many_is_told_when_to_come_again(api: TestClient) -> None:
    uploads: Uploads = api.app.state.uploads  # type: ignore[attr-defined]
    uploads.open = uploads.most
    refused = api.put(f"/v1/models/{SHA256}", content=MODEL)
    assert problem(refused, 503, "Busy").detail == "the API takes 4 models already; try again in 5 seconds"
    assert refused.headers["Retry-After"] == "5"
    uploads.open = 0
    assert api.put(f"/v1/models/{SHA256}", content=MODEL).status_code == 201
    assert uploads.open == 0


def test_a_model_goes_up_and_down_in_parts(api: TestClient, services: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no more than a part of it is in memory at a time."""
    monkeypatch.setattr("fedface_control.api.routes.models.CHUNK_BYTES", 1000)
    run = services.run()
    read = MemoryArtifacts.get_range
    lengths: list[int] = []

    def recorded(store: MemoryArtifacts, key: str, start: int, length: int) -> bytes:
        data = read(store, key, start, length)
        lengths.append(len(data))
        return data

    monkeypatch.setattr(MemoryArtifacts, "get_range", recorded)
    response = api.get(f"/v1/runs/{run.id}/model")
    assert hashlib.sha256(response.content).hexdigest() == run.model_sha256
    assert max(lengths) == 1000
    assert int(response.headers["content-length"]) == len(response.content) == sum(lengths)
    assert api.put(f"/v1/models/{run.model_sha256}", content=response.content).status_code == 201


def test_a_plan_that_is_uploaded_as_a_model_is_named(api: TestClient) -> None:
    plan = b'name = "orl"\n\n[model]\narchitecture = "dlib-resnet"\n'
    refused = api.put(f"/v1/models/{hashlib.sha256(plan).hexdigest()}", content=plan)
    assert "it is a TOML document, such as a plan" in problem(refused, 422, "Invalid input").detail


def test_a_model_comes_by_its_name_and_is_sent_once(api: TestClient, services: InProcess) -> None:
    run = services.run()
    for path in (f"/v1/models/{run.model_sha256}", f"/v1/runs/{run.id}/model", f"/v1/runs/{run.id}/rounds/1/model"):
        whole = api.get(path)
        assert hashlib.sha256(whole.content).hexdigest() == run.model_sha256
        again = api.get(path, headers={"If-None-Match": whole.headers["ETag"]})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", whole.headers["ETag"]), path
        assert api.get(path, headers={"If-None-Match": '"other"'}).content == whole.content


def test_a_model_that_is_gone_is_not_unchanged(api: TestClient) -> None:
    missing = api.get(f"/v1/models/{SHA256}", headers={"If-None-Match": f'"{SHA256}"'})
    assert problem(missing, 404, "Artifact missing").detail == f"there is no artifact models/{SHA256}.safetensors"


def test_models_are_listed_with_their_lineage(api: TestClient, services: InProcess) -> None:
    run = services.run()
    api.put(f"/v1/models/{SHA256}", content=MODEL)
    first = api.get("/v1/models", params={"limit": 1}).json()
    rest = api.get("/v1/models", params={"after": first["next"]}).json()
    found = [*first["models"], *rest["models"]]
    assert [version["source"] for version in found] == ["prepared", "round", "uploaded"]
    assert found[-2]["sha256"] == run.model_sha256
    assert found[-2]["base_sha256"] == found[-3]["sha256"]
    assert found[-1]["sha256"] == SHA256
    assert rest["next"] is None
    problem(api.get("/v1/models", params={"after": "x"}), 422, "Invalid input")


def test_a_model_has_a_card(api: TestClient, services: InProcess) -> None:
    run = services.run()
    card = api.get(f"/v1/models/{run.model_sha256}/card").json()
    assert card["made_by"][0]["run_id"] == run.id
    assert card["plan"]["rounds"] == 1
    api.put(f"/v1/models/{SHA256}", content=MODEL)
    assert api.get(f"/v1/models/{SHA256}/card").json() == {
        "sha256": SHA256,
        "size": len(MODEL),
        "uploaded": True,
        "made_by": [],
        "used_by": [],
        "plan": None,
        "parameters": None,
    }
    problem(api.get(f"/v1/models/{'0' * 64}/card"), 404, "Artifact missing")


def test_a_full_disk_is_named_and_the_upload_leaves_nothing(
    api: TestClient, services: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.BytesIO):
        def write(self, _data: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("fedface_control.api.routes.models.tempfile.TemporaryFile", Full)
    refused = problem(api.put(f"/v1/models/{SHA256}", content=MODEL), 503, "Unavailable")
    assert "name a folder on a larger disk in TMPDIR" in refused.detail
    uploads: Uploads = api.app.state.uploads  # type: ignore[attr-defined]
    assert uploads.open == 0
    assert services.ports.artifacts.keys("") == [object_keys.EARLIER_RUNS]
