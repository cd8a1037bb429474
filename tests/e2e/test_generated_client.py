"""A client that openapi-python-client generates from the API's description runs a plan to its end."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from fedface_control.api.app import create_app
from loadtest.peers.environments import ROOT, prepare_environment
from support.described_api import described_api
from support.in_process import InProcess
from support.open_sign_in import open_sign_in
from support.served_app import served
from support.tiny_run import tiny_plan, write_faces

REQUIREMENTS = Path(__file__).with_name("requirements-openapi-client.txt")
PACKAGE = "generated_fedface_client"


@pytest.fixture
def services(tmp_path: Path) -> InProcess:
    return InProcess(tiny_plan(write_faces(tmp_path / "faces")))


@pytest.fixture
def url(services: InProcess) -> Iterator[str]:
    with served(create_app(services.ports, CollectorRegistry(), open_sign_in())) as url:
        yield url


@pytest.fixture
def generated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of the package of the client. Whatever the generator cannot do with the description, it warns of."""
    description = tmp_path / "openapi.json"
    description.write_text(json.dumps(described_api()))
    settings = tmp_path / "settings.yml"
    settings.write_text("post_hooks: []\n")
    python = prepare_environment("openapi-client", ROOT / ".peers", REQUIREMENTS)
    command = [str(python.with_name("openapi-python-client")), "generate", "--meta", "none", "--fail-on-warning"]
    files = ["--path", str(description), "--output-path", str(tmp_path / PACKAGE), "--config", str(settings)]
    ended = subprocess.run([*command, *files], capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    monkeypatch.syspath_prepend(tmp_path)
    yield PACKAGE
    for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
        del sys.modules[name]


@pytest.fixture
def client(url: str, generated: str) -> Iterator[Any]:
    with import_module(generated).Client(base_url=url) as client:
        yield client


@pytest.mark.long
def test_a_generated_client_runs_a_plan_to_its_end(services: InProcess, client: Any, generated: str) -> None:
    def model(name: str) -> Any:
        return getattr(import_module(f"{generated}.models"), name)

    def ask(operation: str, *arguments: Any, **named: Any) -> Any:
        """Call an operation by its tag and its name, and return what the client has made of the answer."""
        return import_module(f"{generated}.api.{operation}").sync(*arguments, client=client, **named)

    plan = model("Plan").from_dict(services.plan.model_dump(mode="json"))

    patch = model("CheckPlanPlan").from_dict(services.plan.model_dump(mode="json"))
    assert ask("plans.check_plan", body=patch).valid

    run = ask("runs.create_run", body=plan, idempotency_key="generated")
    assert ask("runs.create_run", body=plan, idempotency_key="generated").id == run.id
    assert ask("runs.start_run", run.id).phase == "preparing"
    ended = services.to_end(run.id)

    shown = ask("runs.get_run", run.id)
    assert (shown.phase, shown.model_sha256) == ("completed", ended.model_sha256)
    assert [one.id for one in ask("runs.list_runs").runs] == [run.id]
    first = ask("rounds.list_rounds", run.id, limit=1)
    rest = ask("rounds.list_rounds", run.id, after=first.next_)
    assert [one.number for one in (*first.rounds, *rest.rounds)] == [0, 1, 2]
    assert ask("rounds.get_round_report", run.id, 2).scores.auc == shown.scores.auc
    assert ask("models.get_model_card", ended.model_sha256).made_by[0].round_ == 2
    downloaded = ask("models.download_model", ended.model_sha256).payload.read()
    assert hashlib.sha256(downloaded).hexdigest() == ended.model_sha256
    refused = ask("runs.start_run", run.id)
    assert refused.type_ == "urn:fedface:problem:wrong-phase"


@pytest.mark.long
def test_a_plan_that_names_little_means_the_same_through_a_generated_client(client: Any, generated: str) -> None:
    """The client fills in no default that the API would choose otherwise."""
    models = import_module(f"{generated}.models")
    plan = models.Plan(model=models.ModelPlan(architecture=models.ModelPlanArchitecture.DLIB_RESNET))
    run = import_module(f"{generated}.api.runs.create_run").sync(client=client, body=plan)
    assert (run.plan.model.weights, run.plan.model.centring) == ("published", True)
